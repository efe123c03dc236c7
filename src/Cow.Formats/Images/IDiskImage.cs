// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>
/// One opened disk image, without what it is backed by: the interface that a format of disk images implements. <see cref="ImageChain"/> makes a
/// <see cref="ICowFormat"/> of an image and its backing images.
/// </summary>
/// <remarks>
/// <para>Threading, errors and order of calls: as <see cref="ICowFormat"/>. An image opened writable has told so in its metadata, durably, when
/// Open returns (dirty bits, a new CID or GUID, autoclear bits cleared): rewrites of placed chunks pass it by.</para>
/// <para>Memory: metadata is read through the cached files of the <see cref="ImageSource"/> as it is needed. What an implementation keeps itself
/// is bounded by what is uncommitted, or by the length of the file, never by the size of the disk that the header claims.</para>
/// <para>Untrusted bytes: every offset and length is held against the length of the file before it is used. Open refuses what it can see at small
/// cost (header, tables' bounds, overlaps of tables); what is deeper is refused when a Lookup meets it.</para>
/// </remarks>
public interface IDiskImage : IDisposable
{
    /// <summary>What the image is.</summary>
    ImageInfo Info { get; }

    /// <summary>How full it is. May count chunks lazily: <see cref="Usage.PlacedChunks"/> counts those placed since it was opened.</summary>
    Usage Usage { get; }

    /// <summary>Tables that hold nothing at most that are looked at for one answer of <see cref="Lookup"/>.</summary>
    const int MostEmptyTables = 256;

    /// <summary>What the image holds from <paramref name="offset"/> on. Changes nothing; what is reserved and not committed does not count.
    /// As long as is cheap: within one table, and over at most <see cref="MostEmptyTables"/> behind it that hold nothing. The caller asks again behind
    /// it; where this image has nothing, a chain remembers that for the extents of the image below.</summary>
    /// <param name="offset">Byte offset on the disk; a multiple of 512, inside the disk.</param>
    /// <param name="length">Bytes that are of interest; a multiple of 512, at least 512. The answer is not longer.</param>
    ImageExtent Lookup(ulong offset, ulong length);

    /// <summary>Reads a part of an extent of kind <see cref="ImageExtentKind.Packed"/>.</summary>
    /// <param name="offset">Byte offset on the disk; a multiple of 512.</param>
    /// <param name="data">Bytes to fill, not beyond the extent.</param>
    void ReadPacked(ulong offset, Span<byte> data);

    /// <summary>Reserves places, in memory only, for chunks of <see cref="ImageInfo.ChunkSectors"/> that are not of kind
    /// <see cref="ImageExtentKind.Data"/> throughout. Idempotent until <see cref="Abandon"/>.</summary>
    /// <param name="wanted">The chunks.</param>
    /// <param name="metadata">Bytes that a commit of these places will write for the first time since the image was opened, but for those of
    /// <see cref="MetadataIn"/>; in file 0; length 0 for none.</param>
    /// <returns>The first chunks of those asked for, as many as have adjoining places; a count of 0 where there is no room, or
    /// <see cref="IsGivenUp"/>. The place's device is an index into <see cref="ImageInfo.Files"/>.</returns>
    PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata);

    /// <summary>See <see cref="ICowFormat.Adopt"/>.</summary>
    void Adopt(PlacedRun run);

    /// <summary>See <see cref="ICowFormat.Abandon"/>.</summary>
    void Abandon(ChunkRun run);

    /// <summary>See <see cref="ICowFormat.IsGivenUp"/>.</summary>
    bool IsGivenUp(ulong chunk) => false;

    /// <summary>See <see cref="ICowFormat.MetadataIn"/>; of an image that is open writable.</summary>
    /// <param name="file">One of <see cref="ImageInfo.Files"/>.</param>
    IEnumerable<ByteRange> MetadataIn(IImageFile file) => [];

    /// <summary>See <see cref="ICowFormat.Commit"/>. The whole chunk is at its place, also what came from below or was packed. On return, or
    /// after the next Flush, Lookup says <see cref="ImageExtentKind.Data"/> for it.</summary>
    void Commit(ReadOnlySpan<PlacedRun> runs);

    /// <summary>See <see cref="ICowFormat.Flush"/>.</summary>
    void Flush();

    /// <summary>Makes chunks read as zeros, offline: nobody else uses the image now. Their space is free again after the next
    /// <see cref="Flush"/>.</summary>
    /// <returns>False where the format cannot say zero over what lies below, or has no room to: then nothing was done.</returns>
    bool TryZero(ChunkRun run);

    /// <summary>See <see cref="ICowFormat.Grow"/>.</summary>
    void Grow();

    /// <summary>Reads all metadata and judges it; changes nothing. Never throws for what is wrong in the image.</summary>
    CheckReport Check();

    /// <summary>See <see cref="ICowFormat.Close"/>.</summary>
    void Close();
}
