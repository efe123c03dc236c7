// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>How openat2 goes along a path: linux/openat2.h.</summary>
[CConstants("linux/openat2.h", "")]
internal static class ResolveNumbers
{
    [CName("RESOLVE_NO_SYMLINKS")]
    public const ulong NoLinks = 4;
}
