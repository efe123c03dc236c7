// SPDX-License-Identifier: MIT
using System.ComponentModel;
using System.Diagnostics;
using Cow.Controller.Cli;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.Formats.Images;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>A directory with images, and cowctl without root and daemon.</summary>
internal sealed class CliImageWorld : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("cowctl-test-").FullName;
    private readonly CliFakeWorld _world = new() { IsRoot = false, IsRunning = false };

    /// <summary>What the last verb wrote to stdout.</summary>
    public string Out { get; private set; } = "";

    /// <summary>What the last verb wrote to stderr.</summary>
    public string Error { get; private set; } = "";

    public DaemonPaths Paths => DaemonPaths.Default with { Run = In("run") };

    public string[] Files => [.. Directory.EnumerateFiles(_scratch).Select(static file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public string In(string name) => Path.Combine(_scratch, name);

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    /// <summary>Runs a verb; paths without a directory are in the scratch directory.</summary>
    public ExitCode Run(params string[] words)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        CliHost host = new(new Screen(output, error, false, false), _world, _world, _world, new StoreShelf(new StoreFiles(Paths))) { Paths = Paths };
        ExitCode code = (ExitCode)new CliApp(host).Run(words);
        (Out, Error) = (output.ToString(), error.ToString());
        return code;
    }

    /// <summary>As <see cref="Run"/>, and it must succeed.</summary>
    public string Done(params string[] words)
    {
        Assert.That(Run(words), Is.EqualTo(ExitCode.Done), Error + Out);
        return Out;
    }

    /// <summary>A sparse file: some 64 KiB blocks of a disk that has 64 of them and an odd end hold data.</summary>
    public string Raw(string name, int seed = 1)
    {
        string path = In(name);
        using FileStream file = new(path, FileMode.CreateNew);
        file.SetLength((64 * 65536) + 1536);
        byte[] block = new byte[65536];
        for (int i = 0; i < 65; i++)
        {
            if ((i * 7 + seed) % 5 < 2)
            {
                // Half of each block is of one letter, so that it can be compressed.
                System.Security.Cryptography.RandomNumberGenerator.Fill(block.AsSpan(0, i % 3 == 0 ? 65536 : 8192));
                block.AsSpan(i % 3 == 0 ? 65536 : 8192).Fill((byte)(i + 1));
                file.Position = i * 65536;
                file.Write(block, 0, i == 64 ? 1536 : block.Length);
            }
        }

        return path;
    }

    /// <summary>Runs qemu-img; the test is skipped where it is not installed.</summary>
    public static string Qemu(params string[] words) => Tool("qemu-img", words);

    /// <summary>Runs qemu-io's commands on an image.</summary>
    public static void QemuIo(string path, string format, params string[] commands) =>
        Tool("qemu-io", ["-f", format, .. commands.SelectMany(static command => new[] { "-c", command }), path]);

    /// <summary>Skips the test where the format is not there.</summary>
    public static void Require(string format)
    {
        if (ImageRegistry.Find(format) is null)
        {
            Assert.Ignore($"this build has no format {format}");
        }
    }

    private static string Tool(string tool, string[] words)
    {
        using Process process = new()
        {
            StartInfo = new ProcessStartInfo(tool, words) { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"no {tool}");
        }

        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"{tool} {string.Join(' ', words)}: {error.Result}{output}");
        return output;
    }
}
