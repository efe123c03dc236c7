// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct pollfd of poll.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct pollfd", "poll.h")]
internal struct PollFd
{
    [CName("fd")]
    public int Descriptor;
    public short Events;
    [CName("revents")]
    public short Returned;
}
