// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Runtime.InteropServices;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>The process around a <see cref="CowDaemon"/>: pinned, alone, told when to end.</summary>
internal sealed class DaemonProgram(DaemonPaths paths, bool takeover)
{
    private const int TakeoverMilliseconds = 30_000;

    /// <summary>What the end of a process may take: one that was killed holds the lock until its memory, which is pinned, is gone.</summary>
    private const int EndMilliseconds = 5_000;
    private const UnixFileMode OwnerDirectory = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public ExitCode Run(CancellationToken stop)
    {
        using ILoggerFactory logging = LogLine.Open();
        ILogger log = logging.CreateLogger("dm-cow");
        bool pinned = Pinning.Finish(log);
        try
        {
            _ = Directory.CreateDirectory(paths.Run, OwnerDirectory);
            if (takeover)
            {
                EndOther();
            }

            using SafeFileHandle? alone = AloneSoon();
            if (alone is null)
            {
                DaemonLog.Warning(log, "a daemon runs already: see \"cowctl daemon status\"");
                return ExitCode.InUse;
            }

            File.WriteAllText(paths.Pid, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return Serve(pinned, log, stop);
        }
        catch (UnauthorizedAccessException e)
        {
            DaemonLog.Trouble(log, "daemon", $"{e.Message} Run it as root.");
            return ExitCode.Permission;
        }
        catch (LinuxException e)
        {
            DaemonLog.Trouble(log, "daemon", e.Message);
            return e.Errno is Errno.EPERM or Errno.EACCES ? ExitCode.Permission : ExitCode.NoModule;
        }
        catch (IOException e)
        {
            DaemonLog.Trouble(log, "daemon", $"{e.Message} See to {paths.Run}.");
            return ExitCode.Kernel;
        }
    }

    private ExitCode Serve(bool pinned, ILogger log, CancellationToken stop)
    {
        using DmControl dm = DmControl.Open();
        // Asked for nothing but to fail early, with the module's own advice, when it is missing.
        _ = CowChannel.List();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => End(context, ended));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => End(context, ended));
        using var daemon = new CowDaemon(dm, paths, pinned, log);
        using var server = new Server(paths.Socket, daemon.Answer, e => DaemonLog.Defect(log, e, "request"));
        server.Start();
        daemon.Recover();
        ServiceManager.Notify("READY=1");
        DaemonLog.Serving(log, Environment.ProcessId, pinned);
        daemon.Serve(ended.Token);
        ServiceManager.Notify("STOPPING=1");
        daemon.Leave();
        return ExitCode.Done;
    }

    private static void End(PosixSignalContext context, CancellationTokenSource ended)
    {
        context.Cancel = true;
        ended.Cancel();
    }

    /// <summary>Kills the one that holds the lock and waits for its end: it may be in the middle of a metadata write.</summary>
    private void EndOther()
    {
        using SafeFileHandle? alone = Alone();
        if (alone is not null || !File.Exists(paths.Pid))
        {
            return;
        }

        using PidFd other = PidFd.Open(int.Parse(File.ReadAllText(paths.Pid), CultureInfo.InvariantCulture));
        _ = other.Kill(PidFd.SigKill);
        _ = other.WaitForExit(TakeoverMilliseconds);
    }

    /// <summary>As <see cref="Alone"/>, once a daemon that is about to end has ended.</summary>
    private SafeFileHandle? AloneSoon()
    {
        long end = Environment.TickCount64 + EndMilliseconds;
        SafeFileHandle? alone = Alone();
        while (alone is null && Environment.TickCount64 < end)
        {
            Thread.Sleep(10);
            alone = Alone();
        }

        return alone;
    }

    /// <summary>Null when another daemon runs. The lock goes with the process, however it ends.</summary>
    private SafeFileHandle? Alone()
    {
        try
        {
            // FileShare.None is an exclusive flock.
            return File.OpenHandle(paths.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
        {
            return null;
        }
    }
}
