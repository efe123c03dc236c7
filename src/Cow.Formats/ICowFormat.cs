// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>
/// An opened store: the one interface that a format implements.
/// </summary>
/// <remarks>
/// <para>Threading: called by one thread at a time, never re-entered, blocks on nothing but its own files.</para>
/// <para>Order: a chunk goes <see cref="Allocate"/> (memory only) - data is copied by somebody else - data is flushed by somebody else -
/// <see cref="Commit"/> - <see cref="Flush"/>. A format never writes metadata that names a place before Commit is called for it, and it never
/// gives a place out twice in between. Nothing that it writes may make an older committed chunk unreadable if power fails at any write.</para>
/// <para>Errors: <see cref="ImageFormatException"/> for what is wrong in the store, <see cref="IOException"/> from its files. After an exception from
/// Commit or Flush the store is not written again; Lookup goes on.</para>
/// </remarks>
public interface ICowFormat : IDisposable
{
    /// <summary>What the store is.</summary>
    FormatInfo Info { get; }

    /// <summary>How full it is.</summary>
    Usage Usage { get; }

    /// <summary>Where <paramref name="chunk"/> and as many of its successors as adjoin it read from. Changes nothing. A chunk that was allocated but
    /// not committed reads from what lies below it.</summary>
    /// <param name="chunk">A chunk inside the disk.</param>
    /// <param name="limit">Chunks that the answer may cover at most.</param>
    Extent Lookup(ulong chunk, ulong limit);

    /// <summary>Reads what <see cref="Lookup"/> calls <see cref="ExtentKind.Opaque"/>: the committed content of one chunk.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="data">A chunk of bytes; less for the last one of the disk.</param>
    /// <exception cref="ImageFormatException">It cannot be inflated.</exception>
    void Read(ulong chunk, Span<byte> data) => throw new NotSupportedException("this format keeps every chunk as it is");

    /// <summary>Reserves places, in memory only, for chunks that have none committed. Idempotent: a chunk that was allocated before gets the same
    /// place until <see cref="Abandon"/>.</summary>
    /// <param name="wanted">The chunks. The answer covers its first ones, as many as have adjoining places.</param>
    Allocation Allocate(ChunkRun wanted);

    /// <summary>Takes over a place that a former process gave out. Called before any Allocate. A place that the store already has for the
    /// chunk is no news.</summary>
    /// <exception cref="ImageFormatException">The store has another place for a chunk, or the place belongs to something else.</exception>
    void Adopt(PlacedRun run);

    /// <summary>The places given to these chunks could not be written: they are not given out again, the chunks have no place any more.</summary>
    void Abandon(ChunkRun run);

    /// <summary>Whether a chunk that <see cref="Allocate"/> gave no place can only be at one that was abandoned: then more room is of no help.</summary>
    bool IsGivenUp(ulong chunk) => false;

    /// <summary>What there is in a file of the store, now that it is open, and commits may write where it lies: tables, bitmaps, a log. All of it may be in a hole
    /// of the file, since it may have been copied so. Whoever serves the store gives it blocks, so that no commit needs room that nobody has.
    /// <see cref="Allocation.Metadata"/> tells what is written for the first time.</summary>
    /// <param name="file">One of the store's files.</param>
    /// <returns>Ranges of it, each once; what adjoins is one.</returns>
    IEnumerable<ByteRange> MetadataIn(IImageFile file) => [];

    /// <summary>Writes the metadata that names these places. Their data has been flushed. They come in the order in which they were placed.</summary>
    void Commit(ReadOnlySpan<PlacedRun> runs);

    /// <summary>On return everything committed survives a loss of power.</summary>
    void Flush();

    /// <summary>The store's file or device became larger: its new end may be used.</summary>
    void Grow();

    /// <summary>Reads all metadata and judges it. Changes nothing.</summary>
    CheckReport Check();

    /// <summary>Ends the work on a writable store: gives back what was reserved and never committed, and leaves behind what the format calls
    /// cleanly closed, durable on return. Nothing may be uncommitted. Only Dispose may follow.</summary>
    void Close()
    {
    }
}
