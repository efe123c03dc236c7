// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What every driver demands of the options for a new store.</summary>
internal static class CreateOptionsCheck
{
    /// <summary>Larger disks would make byte offsets overflow somewhere.</summary>
    private const ulong MaxVirtualSize = 1UL << 62;

    /// <summary>Refuses sizes that no store can have.</summary>
    /// <exception cref="ArgumentException">Such a size.</exception>
    public static void Require(CreateOptions options, IFormatDriver driver)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.VirtualSizeBytes is 0 or > MaxVirtualSize || options.VirtualSizeBytes % 512 != 0)
        {
            throw new ArgumentException($"a disk has a size in whole sectors of 512 bytes, {MaxVirtualSize} bytes at most, not {options.VirtualSizeBytes}", nameof(options));
        }
        if (!uint.IsPow2(options.ChunkSectors) || options.ChunkSectors < driver.MinChunkSectors || options.ChunkSectors > driver.MaxChunkSectors)
        {
            throw new ArgumentException($"a chunk has a power of two of sectors, {driver.MinChunkSectors} to {driver.MaxChunkSectors}, not {options.ChunkSectors}", nameof(options));
        }
    }
}
