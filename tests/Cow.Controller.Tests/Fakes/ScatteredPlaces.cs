// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A store whose free places are every second one, so that it reserves them one by one. It does nothing else.</summary>
internal sealed class ScatteredPlaces : IGrantingFormat
{
    private readonly SortedSet<ulong> _free = [.. Enumerable.Range(0, 1 << 16).Select(i => (ulong)i * 16)];

    public FormatInfo Info { get; } = new("scattered", 1UL << 31, 8, 0);

    public Usage Usage => default;

    public int Free => _free.Count;

    /// <summary>What it says of its metadata, of whichever file.</summary>
    public IEnumerable<ByteRange> Metadata { get; init; } = [];

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => Metadata;

    public PlaceGrant Reserve(ulong count)
    {
        ulong sector = _free.Min;
        bool any = _free.Remove(sector);
        return new PlaceGrant(PlaceGrant.AnyChunk, any ? 1UL : 0, new Place(0, sector), default);
    }

    public ulong Take(ReadOnlySpan<PlacedRun> runs)
    {
        ulong taken = 0;
        foreach (PlacedRun run in runs)
        {
            taken += run.Run.Count;
        }

        return taken;
    }

    public void Release(PlaceGrant grant) => Assert.That(_free.Add(grant.Place.Sector), Is.True);

    public void AdoptGrant(PlaceGrant grant) => throw new NotSupportedException();

    public Extent Lookup(ulong chunk, ulong limit) => throw new NotSupportedException();

    public void Read(ulong chunk, Span<byte> data) => throw new NotSupportedException();

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
