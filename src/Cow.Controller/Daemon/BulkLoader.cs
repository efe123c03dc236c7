// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Tells the kernel all that the store knows, in slices between which faults are answered: every place by MAP, and then, by KNOWN, what the chunks
/// without one read from.
/// </summary>
/// <remarks>
/// A REST may cover chunks with a place when the kernel was told of these places before; so one record serves a stretch of base with thousands
/// of places in it. It is kept open until the source changes, and sent behind the MAPs of all that it covers. The kernel refuses it where one of these was
/// refused, or forgotten with the last line of a table; modules without that take a KNOWN, and do not notice.
/// </remarks>
internal sealed class BulkLoader
{
    /// <summary>Chunks in one MAP: the kernel takes it as a whole, and no fault is answered meanwhile.</summary>
    private const ulong MostPlaces = 1 << 18;

    private readonly ChunkGeometry _geometry;
    private readonly ChunkRun[] _uncommitted;
    private readonly bool _rests;
    private bool _begun;
    private int _skip;
    private ulong _next;
    private Extent _open;

    /// <summary>Starts at the first chunk.</summary>
    /// <param name="geometry">The device.</param>
    /// <param name="uncommitted">What the kernel's picture named, in any order. A place that is also on disk, because the former controller
    /// died before it could say so, is still uncommitted to the kernel, which would refuse a MAP of it.</param>
    /// <param name="rests">The kernel serves LOAD and REST.</param>
    public BulkLoader(ChunkGeometry geometry, IEnumerable<ChunkRun> uncommitted, bool rests)
    {
        _geometry = geometry;
        _rests = rests;
        _uncommitted = [.. uncommitted.OrderBy(run => run.Chunk)];
    }

    /// <summary>Adds up to <paramref name="records"/> replies.</summary>
    /// <returns>False when all was said.</returns>
    public bool Step(ICowFormat format, ReplyBuffer replies, int records)
    {
        Begin(replies);
        int end = replies.Count + records;
        // Bounds a step also where lookups give no record.
        for (int seen = 0; seen < records && replies.Count < end && _next < _geometry.Chunks; seen++)
        {
            bool told = Limit(out ulong limit);
            Extent extent = format.Lookup(_next, limit);
            _next = extent.Run.End;
            if (extent.Kind != ExtentKind.Overlay)
            {
                Know(extent, replies);
            }
            else if (!told)
            {
                Map(extent, replies);
            }
        }

        if (_next < _geometry.Chunks)
        {
            return true;
        }

        Close(replies);
        return false;
    }

    private void Begin(ReplyBuffer replies)
    {
        if (_rests && !_begun)
        {
            replies.Load();
        }

        _begun = true;
    }

    /// <summary>How far the next look-up may go so that it does not cross the border of a run of the picture; true inside one.</summary>
    private bool Limit(out ulong limit)
    {
        while (_skip < _uncommitted.Length && _uncommitted[_skip].End <= _next)
        {
            _skip++;
        }

        limit = _geometry.Chunks - _next;
        if (_skip == _uncommitted.Length)
        {
            return false;
        }

        ChunkRun run = _uncommitted[_skip];
        bool inside = run.Chunk <= _next;
        limit = Math.Min(limit, inside ? run.End - _next : run.Chunk - _next);
        return inside;
    }

    /// <summary>Its first chunks, if there are many; the next look-up finds the others.</summary>
    private void Map(in Extent extent, ReplyBuffer replies)
    {
        var run = new ChunkRun(extent.Run.Chunk, Math.Min(extent.Run.Count, MostPlaces));
        replies.Map(new PlacedRun(run, extent.Place));
        _next = run.End;
    }

    private void Know(in Extent extent, ReplyBuffer replies)
    {
        if (_open.Run.Count > 0 && GoesOn(extent))
        {
            _open = _open with { Run = new ChunkRun(_open.Run.Chunk, extent.Run.End - _open.Run.Chunk) };
            return;
        }

        Close(replies);
        _open = extent;
    }

    private bool GoesOn(in Extent extent)
    {
        if (extent.Kind != _open.Kind)
        {
            return false;
        }

        ulong distance = _geometry.SectorOf(extent.Run.Chunk - _open.Run.Chunk);
        return extent.Kind != ExtentKind.Layer
            || (extent.Place.Device == _open.Place.Device && extent.Place.Sector == _open.Place.Sector + distance);
    }

    private void Close(ReplyBuffer replies)
    {
        if (_open.Run.Count == 0)
        {
            return;
        }

        if (_rests)
        {
            replies.Rest(_open);
        }
        else
        {
            replies.Known(_open);
        }

        _open = default;
    }
}
