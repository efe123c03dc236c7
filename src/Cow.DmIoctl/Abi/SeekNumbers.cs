// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>What lseek counts from, of linux/fs.h.</summary>
[CConstants("linux/fs.h", "")]
internal static class SeekNumbers
{
    [CName("SEEK_DATA")]
    public const int Data = 3;
    [CName("SEEK_HOLE")]
    public const int Hole = 4;
}
