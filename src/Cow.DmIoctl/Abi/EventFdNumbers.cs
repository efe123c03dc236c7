// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sys/eventfd.h.</summary>
[CConstants("sys/eventfd.h", "")]
internal static class EventFdNumbers
{
    [CName("EFD_CLOEXEC")]
    public const int CloseOnExec = 0x8_0000;
    [CName("EFD_NONBLOCK")]
    public const int NonBlock = 0x800;
}
