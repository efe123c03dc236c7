// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of linux/prctl.h.</summary>
[CConstants("linux/prctl.h", "")]
internal static class ProcessNumbers
{
    [CName("PR_SET_DUMPABLE")]
    public const int SetDumpable = 4;
    [CName("PR_SET_IO_FLUSHER")]
    public const int SetIoFlusher = 57;
    [CName("PR_GET_IO_FLUSHER")]
    public const int GetIoFlusher = 58;
}
