// SPDX-License-Identifier: MIT
using System.ComponentModel;
using System.Diagnostics;

namespace Cow.Controller.Cli.Real;

/// <summary>Other programs.</summary>
internal static class Tool
{
    /// <summary>Exit code where there is no such program, as a shell has it.</summary>
    public const int Missing = 127;

    // Where programs for root are: a PATH that su or cron gave may lack them.
    private static readonly string[] RootDirectories = ["/usr/sbin", "/sbin"];

    /// <summary>Runs one to its end.</summary>
    /// <returns>Its exit code, or <see cref="Missing"/>, and what it said on stderr as one line.</returns>
    public static (int Code, string Said) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(Find(program), arguments) { RedirectStandardError = true, RedirectStandardInput = true };
        try
        {
            using Process process = Process.Start(start)!;
            process.StandardInput.Close();
            string said = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, said.ReplaceLineEndings(" ").Trim());
        }
        catch (Win32Exception e)
        {
            return (Missing, e.Message);
        }
    }

    private static string Find(string program)
    {
        IEnumerable<string> directories = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return directories.Concat(RootDirectories).Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists) ?? program;
    }
}
