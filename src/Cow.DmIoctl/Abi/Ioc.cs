// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Request numbers of ioctls, as asm-generic/ioctl.h builds them (x86 and arm alike).</summary>
internal static class Ioc
{
    private const uint WriteRead = 3;

    /// <summary>_IO: without an argument.</summary>
    /// <param name="magic">The driver's letter.</param>
    /// <param name="number">The call.</param>
    public static uint None(uint magic, uint number) => (magic << 8) | number;

    /// <summary>_IOWR of a struct.</summary>
    /// <param name="magic">The driver's letter.</param>
    /// <param name="number">The call.</param>
    /// <param name="size">Bytes of the struct.</param>
    public static uint ReadWrite(uint magic, uint number, int size) =>
        (WriteRead << 30) | ((uint)size << 16) | (magic << 8) | number;
}
