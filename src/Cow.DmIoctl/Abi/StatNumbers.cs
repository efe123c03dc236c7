// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of linux/stat.h.</summary>
[CConstants("linux/stat.h", "")]
internal static class StatNumbers
{
    [CName("STATX_BASIC_STATS")]
    public const uint BasicStats = 0x7ff;
    [CName("S_IFMT")]
    public const uint TypeMask = 0xf000;
    [CName("S_IFBLK")]
    public const uint Block = 0x6000;
    [CName("S_IFREG")]
    public const uint Regular = 0x8000;
    [CName("S_IFLNK")]
    public const uint SymbolicLink = 0xa000;
}
