// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// Ends a <see cref="CowChannel.Poll"/> from another thread (an eventfd). Set stays set until it is cleared. Any
/// thread may set it; nothing is allocated.
/// </summary>
public sealed class WakeEvent : IDisposable
{
    /// <summary>Makes one that is not set.</summary>
    public WakeEvent()
    {
        nint fd = Syscall.Check(
            LibC.EventFd(0, EventFdNumbers.CloseOnExec | EventFdNumbers.NonBlock), "eventfd");
        Handle = new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>The eventfd.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>Ends the poll that is under way, or the next one.</summary>
    public unsafe void Set()
    {
        ulong one = 1;
        nint result;
        do
        {
            result = LibC.Write(Handle, &one, sizeof(ulong));
        }
        while (Syscall.Interrupted(result));
        CheckCounter(result, "write"); // full: it is set
    }

    /// <summary>Takes the sets so far back.</summary>
    public unsafe void Clear()
    {
        ulong count;
        nint result;
        do
        {
            result = LibC.Read(Handle, &count, sizeof(ulong));
        }
        while (Syscall.Interrupted(result));
        CheckCounter(result, "read"); // empty: it was not set
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    private static void CheckCounter(nint result, string operation)
    {
        if (result < 0 && Syscall.LastError != Errno.EAGAIN)
        {
            throw new LinuxException(Syscall.LastError, operation, "eventfd");
        }
    }
}
