// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A store that has a place for each chunk, at the same sector, and notes how it is asked. It does nothing else.</summary>
internal sealed class WalkedStore : ICowFormat
{
    /// <summary>How far each look-up might have reached.</summary>
    public List<ulong> Limits { get; } = [];

    /// <summary>Chunks that an answer covers at most.</summary>
    public ulong Longest { get; init; } = ulong.MaxValue;

    /// <summary>How long an answer takes.</summary>
    public TimeSpan Takes { get; init; }

    public FormatInfo Info { get; } = new("walked", 1UL << 40, 8, 0);

    public Usage Usage => default;

    public Extent Lookup(ulong chunk, ulong limit)
    {
        Limits.Add(limit);
        Thread.Sleep(Takes);
        return new Extent(new ChunkRun(chunk, Math.Min(limit, Longest)), ExtentKind.Overlay, new Place(0, chunk * Info.ChunkSectors));
    }

    public Allocation Allocate(ChunkRun wanted) => throw new NotSupportedException();

    public void Adopt(PlacedRun run) => throw new NotSupportedException();

    public void Abandon(ChunkRun run) => throw new NotSupportedException();

    public void Commit(ReadOnlySpan<PlacedRun> runs) => throw new NotSupportedException();

    public void Flush() => throw new NotSupportedException();

    public void Grow() => throw new NotSupportedException();

    public CheckReport Check() => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
