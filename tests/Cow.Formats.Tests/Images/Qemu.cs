// SPDX-License-Identifier: MIT
using System.Diagnostics;

namespace Cow.Formats.Tests.Images;

/// <summary>QEMU's tools, run in a directory.</summary>
internal static class Qemu
{
    /// <summary>Skips the test where they are not installed.</summary>
    public static void Require()
    {
        foreach (string tool in (string[])["qemu-img", "qemu-io"])
        {
            if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(d => File.Exists(Path.Combine(d, tool))))
            {
                Assert.Ignore($"no {tool}");
            }
        }
    }

    /// <summary>Runs qemu-img, which must succeed.</summary>
    public static string Img(string folder, params string[] arguments)
    {
        (int code, string output) = Run("qemu-img", folder, arguments);
        Assert.That(code, Is.Zero, () => $"qemu-img {string.Join(' ', arguments)}: {output}");
        return output;
    }

    /// <summary>Runs commands of qemu-io, all in one process: its start costs more than they do.</summary>
    public static void Io(string folder, string format, string image, IEnumerable<string> commands)
    {
        string[] arguments = ["-t", "unsafe", "-d", "unmap", "-f", format, image, .. commands.SelectMany(c => (string[])["-c", c])];
        (int code, string output) = Run("qemu-io", folder, arguments);
        Assert.That(code, Is.Zero, () => $"qemu-io {string.Join(' ', arguments)}: {output}");
    }

    /// <summary>Lets qemu-img judge an image; <paramref name="leaks"/> says whether space that is lost is forgiven.</summary>
    public static void Check(string folder, string format, string image, bool leaks)
    {
        (int code, string output) = Run("qemu-img", folder, "check", "-f", format, image);
        Assert.That(code, leaks ? Is.AnyOf(0, 3) : Is.Zero, () => $"qemu-img check {image}: {output}");
    }

    /// <summary>Holds an image against the raw file that it must equal.</summary>
    public static void Compare(string folder, string format, string image, string raw)
    {
        (int code, string output) = Run("qemu-img", folder, "compare", "-f", format, "-F", "raw", image, raw);
        Assert.That(code, Is.Zero, () => $"qemu-img compare {image}: {output}");
    }

    private static (int Code, string Output) Run(string tool, string folder, params string[] arguments)
    {
        ProcessStartInfo start = new(tool, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
