// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>A verb is not carried out, for a reason that an operator is told in one sentence. Leaves the daemon at the top of a verb.</summary>
internal sealed class RefusedException : Exception
{
    public RefusedException(ExitCode code, string about, string reason, string cure)
        : base($"{about}: {reason}; {cure}") => Failure = new Failure(code, about, reason, cure);

    public Failure Failure { get; }

    /// <summary>What an operator is told about any exception that a verb met.</summary>
    public static Failure Of(Exception e, string about) => e switch
    {
        RefusedException refused => refused.Failure,
        ImageFormatException bad => new(ExitCode.BadStore, bad.File, bad.Message, "run \"cowctl check\" on it"),
        LinuxException { Errno: Errno.EPERM or Errno.EACCES } no => new(ExitCode.Permission, about, no.Message, "run the daemon as root"),
        LinuxException { IsForWantOfRoom: true } full => new(ExitCode.NoSpace, about, full.Message, "make room"),
        LinuxException no => new(ExitCode.Kernel, about, no.Message, "see \"dmesg\" for the kernel's own words"),
        FileNotFoundException or DirectoryNotFoundException => new(ExitCode.NotFound, about, e.Message, "check the path"),
        ArgumentException => new(ExitCode.Usage, about, e.Message, "see \"cowctl create --help\""),
        IOException { HResult: (int)Errno.ENOSPC or (int)Errno.EDQUOT or (int)Errno.EFBIG } => new(ExitCode.NoSpace, about, e.Message, "make room"),
        IOException => new(ExitCode.Kernel, about, e.Message, "see \"dmesg\" for errors of the device"),
        OutOfMemoryException => new(
            ExitCode.NoSpace, about, "the daemon's memory is used up", "start it with a larger DOTNET_GCHeapHardLimit: see \"man cowctl\""),
        OperationCanceledException => new(ExitCode.NoDaemon, about, "is not served by this daemon any more", "see \"cowctl status\" and the daemon's log"),
        _ => new(ExitCode.Internal, about, $"{e.GetType().Name}: {e.Message}", "report it, with the daemon's log"),
    };
}
