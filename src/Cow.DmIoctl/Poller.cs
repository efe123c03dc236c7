// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>poll(2) on one or two descriptors, without allocation.</summary>
internal static class Poller
{
    /// <summary>Waits until one of them is readable or hangs up.</summary>
    /// <param name="first">Held open while it is waited for.</param>
    /// <param name="second">The same; null for none.</param>
    /// <param name="timeoutMs">At most so long; -1 for ever, 0 not at all.</param>
    /// <returns>What poll said of each; 0 and 0 after the time, and after a signal.</returns>
    public static (short First, short Second) Wait(SafeFileHandle first, SafeFileHandle? second, int timeoutMs)
    {
        bool firstHeld = false;
        bool secondHeld = false;
        try
        {
            first.DangerousAddRef(ref firstHeld);
            second?.DangerousAddRef(ref secondHeld);
            return Wait((int)first.DangerousGetHandle(), (int?)second?.DangerousGetHandle() ?? -1, timeoutMs);
        }
        finally
        {
            if (firstHeld)
            {
                first.DangerousRelease();
            }

            if (secondHeld)
            {
                second!.DangerousRelease();
            }
        }
    }

    // poll ignores a descriptor of -1.
    private static unsafe (short First, short Second) Wait(int first, int second, int timeoutMs)
    {
        PollFd* fds = stackalloc PollFd[2];
        fds[0] = new PollFd { Descriptor = first, Events = PollNumbers.In };
        fds[1] = new PollFd { Descriptor = second, Events = PollNumbers.In };
        int result = LibC.Poll(fds, 2, timeoutMs);
        if (Syscall.Interrupted(result))
        {
            return (0, 0);
        }

        Syscall.Check(result, "poll");
        return (fds[0].Returned, fds[1].Returned);
    }
}
