// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct sembuf of sys/sem.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct sembuf", "sys/sem.h")]
internal struct SemBuf
{
    [CName("sem_num")]
    public ushort Number;
    [CName("sem_op")]
    public short Operation;
    [CName("sem_flg")]
    public short Flags;
}
