// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>What the contract suite needs to know of a format.</summary>
internal abstract class FormatUnderTest
{
    public abstract string Name { get; }

    public IFormatDriver Driver => FormatRegistry.Find(Name)!;

    public abstract uint ChunkSectors { get; }

    /// <summary>Odd, so that the last chunk is.</summary>
    public virtual ulong DiskSectors => (200 * ChunkSectors) - (ChunkSectors / 2);

    public ulong DiskBytes => DiskSectors * 512;

    public ulong Chunks => ((DiskSectors - 1) / ChunkSectors) + 1;

    /// <summary>Bytes of the medium that holds all files of the store.</summary>
    public abstract long MediumBytes { get; }

    /// <summary>Leading bytes of the medium that are metadata, as far as tests spoil them.</summary>
    public abstract int MetadataBytes { get; }

    public virtual FormatFiles FilesOn(IImageFile medium) => new(medium);

    /// <summary>Version of each sector before the first write: 0 for the base.</summary>
    public virtual ulong[] InitialVersions() => new ulong[DiskSectors];

    /// <summary>Makes what is on the medium before the store is created: remains of somebody else, so that what a format forgets to zero is not zero.</summary>
    public virtual void Prepare(IImageFile medium)
    {
        byte[] garbage = new byte[medium.Length / 512 * 512];
        garbage.AsSpan().Fill(0xee);
        medium.WriteAt(garbage, 0);
        medium.Flush();
    }

    public override string ToString() => Name;
}
