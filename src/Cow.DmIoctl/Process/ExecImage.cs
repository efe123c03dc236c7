// SPDX-License-Identifier: MIT
using System.Collections;
using System.Runtime.InteropServices;

namespace Cow.DmIoctl;

/// <summary>The parts of an exec of ourselves.</summary>
internal static class ExecImage
{
    /// <summary>argv: the program, its assembly where the program is the dotnet host, the arguments.</summary>
    /// <param name="program">Path of the executable.</param>
    /// <param name="args">What Main gets.</param>
    public static List<string> Arguments(string program, IReadOnlyList<string> args)
    {
        var all = new List<string> { program };
        if (Path.GetFileName(program) == "dotnet")
        {
            all.Add(System.Environment.GetCommandLineArgs()[0]);
        }

        all.AddRange(args);
        return all;
    }

    /// <summary>envp: ours with changes.</summary>
    /// <param name="changes">null removes a variable.</param>
    public static List<string> Environment(IReadOnlyDictionary<string, string?> changes)
    {
        var all = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            all[(string)entry.Key] = (string?)entry.Value;
        }

        foreach (var (name, value) in changes)
        {
            all[name] = value;
        }

        return [.. all.Where(entry => entry.Value is not null).Select(entry => $"{entry.Key}={entry.Value}")];
    }

    /// <summary>execve; returns only by throwing.</summary>
    public static unsafe void Run(string program, List<string> arguments, List<string> environment)
    {
        byte* path = (byte*)Marshal.StringToCoTaskMemUTF8(program);
        byte** argv = Block(arguments);
        byte** envp = Block(environment);
        int result = LibC.ExecVE(path, argv, envp);
        var error = Syscall.LastError;
        Free(argv);
        Free(envp);
        Marshal.FreeCoTaskMem((nint)path);
        throw new LinuxException(result < 0 ? error : Errno.EIO, "execve", program);
    }

    private static unsafe byte** Block(List<string> texts)
    {
        byte** block = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            block[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return block;
    }

    private static unsafe void Free(byte** block)
    {
        for (byte** text = block; *text is not null; text++)
        {
            Marshal.FreeCoTaskMem((nint)(*text));
        }

        NativeMemory.Free(block);
    }
}
