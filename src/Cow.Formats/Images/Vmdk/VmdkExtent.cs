// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vmdk;

/// <summary>A part of the disk of a VMDK image, in a file of its own or a part of one. Offsets count from its start.</summary>
/// <param name="bytes">Its length.</param>
/// <param name="fileIndex">Number of its file in the image.</param>
internal abstract class VmdkExtent(ulong bytes, int fileIndex)
{
    /// <summary>Number of its file in the image.</summary>
    public int FileIndex { get; } = fileIndex;

    /// <summary>Its length.</summary>
    public ulong Bytes { get; } = bytes;

    /// <summary>Sectors of a grain; 0 where it has none.</summary>
    public virtual uint GrainSectors => 0;

    /// <summary>Why it can only be read, or null.</summary>
    public virtual string? ReadOnlyReason => null;

    /// <summary>Places and publishes grains; null where it has none, or where it is not written.</summary>
    public virtual TailStore? Store => null;

    /// <summary>Bytes of its metadata.</summary>
    public virtual long MetadataBytes => 0;

    /// <summary>Where that is in its file; see <see cref="IDiskImage.MetadataIn"/>.</summary>
    public virtual IEnumerable<ByteRange> Metadata => [];

    /// <summary>Bytes of its file that it uses.</summary>
    public virtual long UsedBytes => (long)Bytes;

    /// <summary>See <see cref="IDiskImage.Lookup"/>.</summary>
    public abstract ImageExtent Lookup(ulong offset, ulong length);

    /// <summary>See <see cref="IDiskImage.ReadPacked"/>.</summary>
    public virtual void ReadPacked(ulong offset, Span<byte> data) => throw new InvalidOperationException("nothing is compressed here");

    /// <summary>Judges whether it can be written, what a crash left included. Writes nothing: another extent may be beyond repair.</summary>
    /// <param name="forRepair">See <see cref="ImageOpenOptions.ForRepair"/>.</param>
    /// <exception cref="ImageFormatException">It cannot.</exception>
    public virtual void Judge(bool forRepair)
    {
    }

    /// <summary>Repairs what a crash left, and says in the metadata that it is written. Durable on return. Only after <see cref="Judge"/>.</summary>
    public virtual void StartWriting()
    {
    }

    /// <summary>Makes chunks read as zeros; false where it cannot.</summary>
    /// <param name="grain">First grain.</param>
    /// <param name="count">Grains.</param>
    /// <param name="hasParent">Whether something lies below.</param>
    public virtual bool TryZero(ulong grain, ulong count, bool hasParent) => false;

    /// <summary>Says in the metadata that nobody writes it. Durable on return.</summary>
    public virtual void StopWriting()
    {
    }

    /// <summary>Judges its metadata.</summary>
    public virtual void Check(TableCheck check)
    {
    }
}
