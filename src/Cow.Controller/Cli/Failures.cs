// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Cli;

/// <summary>What an exception means to an operator.</summary>
internal static class Failures
{
    /// <summary>The cure where a file is as large as one can be.</summary>
    public const string LargerFiles = "take another format, or another file system";

    public static Failure Of(Exception exception) => exception switch
    {
        CliException e => e.Failure,
        ImageFormatException e => new Failure(
            ExitCode.BadStore,
            e.File,
            $"at byte {e.Offset}: expected {e.Expected}, found {e.Found}",
            e.Advice ?? "it is damaged or of another format; try --format, or restore it from a copy"),
        LinuxException e => OfKernel(e),
        UnauthorizedAccessException e => new Failure(ExitCode.Permission, "cowctl", e.Message.TrimEnd('.'), "run it with sudo"),
        FileNotFoundException { FileName: { } file } => new Failure(ExitCode.NotFound, file, "there is no such file or device", "check the path"),
        DirectoryNotFoundException e => new Failure(ExitCode.NotFound, "cowctl", e.Message.TrimEnd('.'), "check the path"),
        IOException { HResult: (int)Errno.ENOSPC or (int)Errno.EDQUOT } e => OfFile(e, ExitCode.NoSpace, "make room first"),
        IOException { HResult: (int)Errno.EFBIG } e => OfFile(e, ExitCode.NoSpace, LargerFiles),
        IOException e => OfFile(e, ExitCode.Kernel, "see the kernel log (dmesg)"),
        _ => new Failure(
            ExitCode.Internal,
            "cowctl",
            $"{exception.GetType().Name}: {exception.Message}",
            "this is a defect of cowctl; report it with the command line"),
    };

    // .NET's message is "reason : 'path'" where it knows the path.
    private static Failure OfFile(IOException e, ExitCode code, string cure)
    {
        int path = e.Message.LastIndexOf(" : '", StringComparison.Ordinal);
        return path < 0
            ? new Failure(code, "cowctl", e.Message.TrimEnd('.'), cure)
            : new Failure(code, e.Message[(path + 4)..].TrimEnd('\''), e.Message[..path], cure);
    }

    // The message is "subject: reason" or "subject: reason; advice".
    private static Failure OfKernel(LinuxException e)
    {
        string about = string.IsNullOrEmpty(e.Subject) ? "kernel" : e.Subject;
        string text = e.Message.StartsWith($"{about}: ", StringComparison.Ordinal) ? e.Message[(about.Length + 2)..] : e.Message;
        int advice = text.LastIndexOf("; ", StringComparison.Ordinal);
        (ExitCode code, string cure) = e.Errno switch
        {
            Errno.EPERM or Errno.EACCES => (ExitCode.Permission, "run it with sudo"),
            Errno.ENOENT or Errno.ENXIO or Errno.ENODEV when about is "/dev/mapper/control" or "/dev/dm-cow" =>
                (ExitCode.NoModule, "load the module: modprobe dm-cow"),
            Errno.EPROTO => (ExitCode.NoModule, "install module and cowctl of one version"),
            Errno.ENOENT or Errno.ENXIO or Errno.ENODEV => (ExitCode.NotFound, "check the name"),
            Errno.EBUSY => (ExitCode.InUse, "end what uses it first"),
            Errno.ENOSPC or Errno.EDQUOT => (ExitCode.NoSpace, "make room first"),
            Errno.EFBIG => (ExitCode.NoSpace, LargerFiles),
            Errno.EMFILE or Errno.ENFILE => (ExitCode.Kernel, "allow more open files (ulimit -Hn)"),
            _ => (ExitCode.Kernel, "see the kernel log (dmesg)"),
        };
        return advice < 0 ? new Failure(code, about, text, cure) : new Failure(code, about, text[..advice], text[(advice + 2)..]);
    }
}
