// SPDX-License-Identifier: MIT
using System.ComponentModel;
using System.Diagnostics;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>Asks the C compiler; nothing is written to a file.</summary>
internal static class CCompiler
{
    /// <summary>Compiles without output.</summary>
    /// <returns>What the compiler complains of; empty where it does not.</returns>
    public static string Complaints(string source)
    {
        var start = new ProcessStartInfo("gcc")
        {
            RedirectStandardInput = true, RedirectStandardError = true,
            ArgumentList = { "-fsyntax-only", "-std=gnu11", "-I", RepoFiles.Path("kernel-shim/include/uapi"), "-x", "c", "-" },
        };
        try
        {
            using var gcc = Process.Start(start)!;
            var complaints = gcc.StandardError.ReadToEndAsync();
            gcc.StandardInput.Write(source);
            gcc.StandardInput.Close();
            gcc.WaitForExit();
            return gcc.ExitCode == 0 ? "" : complaints.Result;
        }
        catch (Win32Exception)
        {
            Assert.Ignore("there is no gcc on this machine");
            throw;
        }
    }
}
