// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A store in which every chunk is compressed until it is committed elsewhere; chunk n's place is sector 100 + n * 8.</summary>
internal sealed class PackedStore : ICowFormat
{
    private readonly HashSet<ulong> _committed = [];

    public bool Full { get; set; }

    public bool CommitFails { get; set; }

    public bool Garbage { get; set; }

    public bool MemoryIsUsedUp { get; set; }

    /// <summary>What was asked of it, in order.</summary>
    public List<string> Calls { get; } = [];

    public FormatInfo Info { get; } = new("packed", 64 * 4096, 8, 0);

    public Usage Usage => default;

    public Extent Lookup(ulong chunk, ulong limit) => _committed.Contains(chunk)
        ? new Extent(new ChunkRun(chunk, 1), ExtentKind.Overlay, PlaceOf(chunk))
        : new Extent(new ChunkRun(chunk, 1), ExtentKind.Opaque, default);

    public void Read(ulong chunk, Span<byte> data)
    {
        if (Garbage)
        {
            throw new ImageFormatException("packed", 0, "a deflate stream", "garbage");
        }

        data.Fill((byte)chunk);
    }

    public Allocation Allocate(ChunkRun wanted)
    {
        var run = new ChunkRun(wanted.Chunk, Full ? 0UL : 1);
        return new Allocation(new PlacedRun(run, PlaceOf(wanted.Chunk)), Fill.Copy, new Extent(run, ExtentKind.Opaque, default), default);
    }

    public void Adopt(PlacedRun run)
    {
        if (MemoryIsUsedUp)
        {
            throw new InsufficientMemoryException();
        }
    }

    public void Abandon(ChunkRun run)
    {
    }

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        Calls.Add("commit");
        if (CommitFails)
        {
            throw new IOException("the disk is gone");
        }

        foreach (PlacedRun run in runs)
        {
            _ = _committed.Add(run.Run.Chunk);
        }
    }

    public void Flush() => Calls.Add("flush");

    public void Grow()
    {
    }

    public CheckReport Check() => new([], [], 0);

    public void Dispose()
    {
    }

    private static Place PlaceOf(ulong chunk) => new(0, 100 + (chunk * 8));
}
