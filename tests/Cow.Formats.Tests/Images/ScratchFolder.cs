// SPDX-License-Identifier: MIT
using System.Diagnostics;

namespace Cow.Formats.Tests.Images;

/// <summary>A directory that goes away with the test.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cow-images-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Unpacks the .xz files of a directory, those of a name or pattern only; xz leaves holes where there are zeros.</summary>
    public void Unpack(string from, string pattern = "*")
    {
        string[] packed = [.. Directory.EnumerateFiles(from, $"{pattern}.xz").Select(path => File(System.IO.Path.GetFileName(path)))];
        foreach (string copy in packed)
        {
            System.IO.File.Copy(System.IO.Path.Combine(from, System.IO.Path.GetFileName(copy)), copy);
            System.IO.File.SetUnixFileMode(copy, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        try
        {
            using Process xz = Process.Start("xz", ["-d", "--", .. packed]);
            xz.WaitForExit();
            Assert.That(xz.ExitCode, Is.Zero, from);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("no xz");
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
