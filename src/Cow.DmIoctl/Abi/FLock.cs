// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct flock of fcntl.h. With F_OFD_* the process id must be 0.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct flock", "fcntl.h")]
internal struct FLock
{
    [CName("l_type")]
    public short Type;
    [CName("l_whence")]
    public short Whence;
    [CName("l_start")]
    public long Start;
    [CName("l_len")]
    public long Length;
    [CName("l_pid")]
    public int Process;
}
