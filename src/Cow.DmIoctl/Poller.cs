// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>poll(2) on one descriptor.</summary>
internal static class Poller
{
    /// <summary>Waits until it is readable or hangs up.</summary>
    /// <param name="handle">Held open while it is waited for.</param>
    /// <param name="timeoutMs">At most so long; -1 for ever, 0 not at all.</param>
    /// <returns>False after the time, and after a signal.</returns>
    public static unsafe bool Wait(SafeFileHandle handle, int timeoutMs)
    {
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            var fd = new PollFd { Descriptor = (int)handle.DangerousGetHandle(), Events = PollNumbers.In };
            int result = LibC.Poll(&fd, 1, timeoutMs);
            return !Syscall.Interrupted(result) && Syscall.Check(result, "poll") > 0;
        }
        finally
        {
            if (held)
            {
                handle.DangerousRelease();
            }
        }
    }
}
