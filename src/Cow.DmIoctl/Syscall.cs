// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl;

/// <summary>The only reader of the last error. A call that signals may interrupt is made in a loop:
/// <c>do { r = LibC.X(...); } while (Syscall.Interrupted(r));</c></summary>
internal static class Syscall
{
    /// <summary>The error of the last call on this thread; read it before anything else is called.</summary>
    public static Errno LastError => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>The call failed because a signal came, and has to be made again.</summary>
    public static bool Interrupted(nint result) => result < 0 && LastError == Errno.EINTR;

    /// <summary>Throws where the call failed.</summary>
    /// <param name="result">What it returned; below 0 is a failure.</param>
    /// <param name="operation">Its name.</param>
    /// <param name="subject">A path or a name.</param>
    /// <param name="advice">What to do about it.</param>
    public static nint Check(nint result, string operation, string? subject = null, string? advice = null) =>
        result >= 0 ? result : throw new LinuxException(LastError, operation, subject, advice);
}
