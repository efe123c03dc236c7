// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sys/resource.h.</summary>
[CConstants("sys/resource.h", "")]
internal static class ResourceNumbers
{
    [CName("RLIMIT_CORE")]
    public const int Core = 4;

    [CName("RLIMIT_NOFILE")]
    public const int OpenFiles = 7;
}
