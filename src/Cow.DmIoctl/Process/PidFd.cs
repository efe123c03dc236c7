// SPDX-License-Identifier: MIT
using System.Diagnostics;
using System.Globalization;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// A process that cannot be mistaken for a later one with the same id (pidfd_open(2)). Any thread.
/// </summary>
public sealed class PidFd : IDisposable
{
    /// <summary>The signal that ends a process at once.</summary>
    public const int SigKill = 9;

    /// <summary>The signal that asks a process to end.</summary>
    public const int SigTerm = 15;

    private readonly SafeFileHandle _handle;

    private PidFd(int process, SafeFileHandle handle)
    {
        ProcessId = process;
        _handle = handle;
    }

    /// <summary>Its id.</summary>
    public int ProcessId { get; }

    /// <summary>Opens a process; ESRCH where there is none.</summary>
    /// <param name="process">Its id.</param>
    public static PidFd Open(int process)
    {
        nint fd = Syscall.Check(LibC.SysCall(SyscallNumbers.PidFdOpen, process, 0, 0, 0), "pidfd_open",
            process.ToString(CultureInfo.InvariantCulture));
        return new PidFd(process, new SafeFileHandle(fd, ownsHandle: true));
    }

    /// <summary>Sends a signal.</summary>
    /// <param name="signal">Its number; 0 only asks whether it could be sent.</param>
    /// <returns>False where the process has ended already.</returns>
    public bool Kill(int signal)
    {
        nint result = LibC.SysCall(SyscallNumbers.PidFdSendSignal, _handle, signal, 0, 0);
        if (result < 0 && Syscall.LastError == Errno.ESRCH)
        {
            return false;
        }

        Syscall.Check(result, "pidfd_send_signal", ProcessId.ToString(CultureInfo.InvariantCulture));
        return true;
    }

    /// <summary>Waits for the end of the process; all its I/O has then been given to the kernel or never will be.</summary>
    /// <param name="timeoutMs">At most so long; -1 for ever, 0 not at all.</param>
    /// <returns>False where it still runs.</returns>
    public bool WaitForExit(int timeoutMs)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            int left = timeoutMs < 0 ? -1 : (int)Math.Max(0, timeoutMs - clock.ElapsedMilliseconds);
            if (Poller.Wait(_handle, left))
            {
                return true;
            }

            if (left == 0)
            {
                return false;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
