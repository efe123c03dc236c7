// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// The replies to one batch of events, written with one call. Reused, so that it stops growing. What a failed answer put in is taken out again by
/// <see cref="Truncate"/>: a request is answered whole or with an error.
/// </summary>
internal sealed class ReplyBuffer(ChunkGeometry geometry, DeviceIndices indices, uint generation)
{
    private CowReply[] _replies = new CowReply[64];

    public int Count { get; private set; }

    public ReadOnlySpan<CowReply> Replies => _replies.AsSpan(0, Count);

    public void Clear() => Count = 0;

    public void Truncate(int count) => Count = count;

    /// <summary>Inlined, as <see cref="CowReply.Place"/> is: then the reply that a first write waits for is made where it stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(in CowReply reply)
    {
        if (Count == _replies.Length)
        {
            Array.Resize(ref _replies, _replies.Length * 2);
        }

        _replies[Count++] = reply;
    }

    /// <summary>A run with committed places.</summary>
    public void Map(in PlacedRun run) => Add(CowReply.Map(
        generation, run.Run.Chunk, run.Run.Count, indices.OfOverlay(run.Place.Device), new Sectors(run.Place.Sector)));

    /// <summary>A run without places, and what it reads from.</summary>
    public void Known(in Extent extent) => Add(CowReply.Known(
        generation, extent.Run.Chunk, extent.Run.Count, indices.OfSource(extent), SourceSector(extent)));

    /// <summary>All places are told from here on.</summary>
    public void Load() => Add(CowReply.Load(generation));

    /// <summary>As <see cref="Known"/>, also over chunks whose places were told since <see cref="Load"/>.</summary>
    public void Rest(in Extent extent) => Add(CowReply.Rest(
        generation, extent.Run.Chunk, extent.Run.Count, indices.OfSource(extent), SourceSector(extent)));

    /// <summary>Places for the next chunks of a fault.</summary>
    public void Place(ulong id, in Allocation allocation)
    {
        PlacedRun placed = allocation.Placed;
        Extent source = allocation.Source;
        Add(CowReply.Place(
            generation,
            id,
            placed.Run.Chunk,
            placed.Run.Count,
            indices.OfOverlay(placed.Place.Device),
            new Sectors(placed.Place.Sector),
            ToKernel(allocation.Fill, source.Kind),
            indices.OfSource(source),
            SourceSector(source)));
    }

    public void Error(ulong id, Errno error) => Add(CowReply.Error(generation, id, error));

    public void Hold(ulong id) => Add(CowReply.Hold(generation, id));

    public void Retry() => Add(CowReply.Retry(generation));

    /// <summary>Nothing for number 0: the kernel asks for no commit before the first place.</summary>
    public void Flushed(ulong number, Errno error)
    {
        if (number > 0)
        {
            Add(CowReply.Flushed(generation, number, error));
        }
    }

    /// <summary>Places for first writes to come.</summary>
    public void Grant(in PlaceGrant grant) => Add(CowReply.Range(
        generation, grant.Chunk, grant.Count, indices.OfOverlay(grant.Place.Device), new Sectors(grant.Place.Sector)));

    public void Revoke() => Add(CowReply.Revoke(generation));

    public void Commit() => Add(CowReply.Commit(generation));

    public void Abandon() => Add(CowReply.Abandon(generation));

    /// <summary>The bytes that a run of places takes on its device.</summary>
    public ByteRange BytesOf(in PlacedRun run) => geometry.BytesOf(run);

    /// <summary>First sector that an extent reads from, on its own device. The base reads at the chunk's own offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Sectors SourceSector(in Extent extent) => extent.Kind switch
    {
        ExtentKind.Base => new Sectors(geometry.SectorOf(extent.Run.Chunk)),
        ExtentKind.Zero => Sectors.Zero,
        _ => new Sectors(extent.Place.Sector),
    };

    private static CowFill ToKernel(Fill fill, ExtentKind source) => fill switch
    {
        Fill.Copy => source == ExtentKind.Zero ? CowFill.Zero : CowFill.Copy,
        Fill.Zero => CowFill.Zero,
        _ => CowFill.Nothing,
    };
}
