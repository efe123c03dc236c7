// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sys/mman.h.</summary>
[CConstants("sys/mman.h", "")]
internal static class MemoryNumbers
{
    [CName("MCL_CURRENT")]
    public const int LockCurrent = 1;
    [CName("MCL_FUTURE")]
    public const int LockFuture = 2;
}
