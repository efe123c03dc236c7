// SPDX-License-Identifier: MIT
using System.Diagnostics;

namespace Cow.Formats.Tests;

/// <summary>Images from outside the repository: in $COW_TEST_IMAGES, or in shared/images beside the repository.</summary>
internal static class TestImages
{
    private static string Root { get; } = Environment.GetEnvironmentVariable("COW_TEST_IMAGES") ?? FindRoot();

    /// <summary>A folder of them; the test is skipped where there is none.</summary>
    public static string Folder(string name)
    {
        string folder = Path.Combine(Root, name);
        if (!Directory.Exists(folder))
        {
            Assert.Ignore($"no test images in {folder}; set COW_TEST_IMAGES");
        }
        return folder;
    }

    /// <summary>Rows of a table without its head, split into columns; none where the table is absent.</summary>
    public static IEnumerable<string[]> Table(string name)
    {
        string path = Path.Combine(Root, name);
        return File.Exists(path) ? File.ReadLines(path).Skip(1).Select(line => line.Split('\t')) : [];
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? d = new(AppContext.BaseDirectory); d is not null; d = d.Parent)
        {
            if (File.Exists(Path.Combine(d.FullName, "Cow.slnx")))
            {
                return Path.Combine(d.FullName, "..", "shared", "images");
            }
        }
        return "";
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
