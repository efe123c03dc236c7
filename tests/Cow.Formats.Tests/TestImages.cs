// SPDX-License-Identifier: MIT
using System.Diagnostics;

namespace Cow.Formats.Tests;

/// <summary>Images from outside the repository: in $COW_TEST_IMAGES, or in shared/images beside the repository.</summary>
internal static class TestImages
{
    /// <summary>A folder of them; the test is skipped where there is none.</summary>
    public static string Folder(string name)
    {
        string? root = Environment.GetEnvironmentVariable("COW_TEST_IMAGES");
        for (DirectoryInfo? d = new(TestContext.CurrentContext.TestDirectory); root is null && d is not null; d = d.Parent)
        {
            if (File.Exists(Path.Combine(d.FullName, "Cow.slnx")))
            {
                root = Path.Combine(d.FullName, "..", "shared", "images");
            }
        }
        string folder = Path.Combine(root ?? "", name);
        if (!Directory.Exists(folder))
        {
            Assert.Ignore($"no test images in {folder}; set COW_TEST_IMAGES");
        }
        return folder;
    }

    /// <summary>The bytes of an .xz file.</summary>
    public static byte[] Unpack(string path)
    {
        using Process xz = new() { StartInfo = new ProcessStartInfo("xz", ["-dc", path]) { RedirectStandardOutput = true } };
        try
        {
            xz.Start();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("no xz");
        }
        using MemoryStream bytes = new();
        xz.StandardOutput.BaseStream.CopyTo(bytes);
        xz.WaitForExit();
        Assert.That(xz.ExitCode, Is.Zero, path);
        return bytes.ToArray();
    }
}
