// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>How renameat2 gives a name: linux/fs.h.</summary>
[CConstants("linux/fs.h", "")]
internal static class RenameNumbers
{
    [CName("RENAME_NOREPLACE")]
    public const uint NoReplace = 1;
}
