// SPDX-License-Identifier: MIT
using System.ComponentModel;
using System.Diagnostics;

namespace Cow.Controller.Cli.Real;

/// <summary>Other programs.</summary>
internal static class Tool
{
    /// <summary>Runs one to its end.</summary>
    /// <returns>Its exit code, 127 when there is no such program, and what it said on stderr as one line.</returns>
    public static (int Code, string Said) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardError = true, RedirectStandardInput = true };
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
            return (127, e.Message);
        }
    }
}
