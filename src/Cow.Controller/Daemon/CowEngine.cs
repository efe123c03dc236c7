// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>
/// The controller's side of kernel-shim/PROTOCOL.md: state and event give replies. Does no I/O but through the format, knows no clock and no thread.
/// </summary>
/// <remarks>
/// Errors are values here: whatever a format throws becomes the error of the one request that met it, and, when metadata could not be written, a
/// step down the ladder.
/// </remarks>
internal sealed class CowEngine
{
    /// <summary>How far one look-up reaches: a wide one saves questions, an endless one would make the format walk its whole map.</summary>
    public const ulong Wide = 1 << 16;

    /// <summary>Sources that are told behind a first write to an unknown chunk.</summary>
    private const int SourcesAhead = 16;

    private readonly ICowFormat _format;
    private readonly ChunkGeometry _geometry;
    private readonly DeviceIndices _indices;
    private readonly ISpaceKeeper _space;
    private readonly Ladder _ladder;
    private readonly Placer _placer;
    private readonly Refusals _refusals;
    private readonly HeldFaults _held = new();
    private readonly PlacedQueue _placed = new();
    private readonly List<ChunkRun> _picture = [];

    // See Refusals: replies are refused before the next batch comes.
    private readonly Dictionary<ulong, ulong> _asked = [];

    // Numbers: of the last place that TAKEN spoke of, and of the last one that is committed, or was told.
    private ulong _heard;
    private ulong _committed;
    private ulong _faults;
    private ulong _commits;

    public CowEngine(ICowFormat format, ChunkGeometry geometry, DeviceIndices indices, ISpaceKeeper space, ILogger log)
    {
        _format = format;
        _geometry = geometry;
        _indices = indices;
        _space = space;
        _ladder = new Ladder(log);
        _placer = new Placer(format, space, geometry);
        Grants = new Grants(format, space, geometry);
        _refusals = new Refusals(geometry, indices, _placed, _held, Grants, _ladder, _asked);
    }

    /// <summary>Whether a full store makes writers wait; else they get ENOSPC.</summary>
    public bool WaitForSpace { get; init; } = true;

    /// <summary>For a store that is not written: where its compressed chunks are unpacked to.</summary>
    public ScratchFile? Scratch { get; init; }

    public EngineMode Mode => _ladder.Mode;

    /// <summary>Writers wait for room.</summary>
    public bool WaitingForSpace { get; private set; }

    /// <summary>The picture is complete: what the kernel holds has been adopted.</summary>
    public bool PictureComplete { get; private set; }

    /// <summary>The last line of the table is gone, and nothing came since.</summary>
    public bool Gone { get; private set; }

    /// <summary>There is something that a commit would make durable.</summary>
    public bool NeedsCommit => (_placed.Count > 0 || _heard > _committed) && Mode == EngineMode.ReadWrite;

    /// <summary>What the kernel may take without asking.</summary>
    public Grants Grants { get; }

    /// <summary>Runs of the picture, for the bulk load.</summary>
    public IReadOnlyList<ChunkRun> Picture => _picture;

    public EngineStatus Status
    {
        get
        {
            Usage usage = _format.Usage;
            return new(
                Mode, _ladder.Problem, WaitingForSpace, Gone, usage.PlacedChunks, _placed.Chunks, usage.UsedBytes,
                usage.CapacityBytes, _faults, _commits, _ladder.Errors);
        }
    }

#pragma warning disable CA1031 // A defect of a format is the error of one request, never the end of the daemon.

    /// <summary>Adds the replies that events ask for, which were read at once.</summary>
    /// <exception cref="OutOfMemoryException">What the kernel told is not known now, so nothing may be said of it any more: the kernel keeps it for the next
    /// controller.</exception>
    public void Handle(ReadOnlySpan<CowEvent> events, ReplyBuffer replies)
    {
        _asked.Clear();
        while (!events.IsEmpty)
        {
            int handled = 1;
            if (IsPlain(events[0]))
            {
                handled = HandlePlain(events);
            }
            else
            {
                // Not where a fault is tried again: the line that it came from may have gone since.
                Gone &= events[0].Type is not (CowEventType.WriteFault or CowEventType.ReadFault);
                Handle(events[0], replies);
            }

            events = events[handled..];
        }
    }

    /// <summary>Adds the replies that an event asks for.</summary>
    public void Handle(in CowEvent e, ReplyBuffer replies)
    {
        int mark = replies.Count;
        try
        {
            Dispatch(e, replies);
        }
        catch (Exception x) when (x is not OutOfMemoryException || e.Type is CowEventType.WriteFault or CowEventType.ReadFault)
        {
            replies.Truncate(mark);
            AnswerFailure(e, x, replies);
        }
    }

    /// <summary>A busy device tells of little else than places, so those that follow each other are taken together.</summary>
    /// <returns>How many of the events these were.</returns>
    private int HandlePlain(ReadOnlySpan<CowEvent> events)
    {
        try
        {
            return TakePlain(events);
        }
        catch (Exception x) when (x is not OutOfMemoryException)
        {
            Disagree(x);
            return PlainFirst(events);
        }
    }

#pragma warning restore CA1031

    /// <summary>The kernel refused a reply; adds what is to be sent instead.</summary>
    public void Refused(in CowReply reply, Errno error, ReplyBuffer replies) => _refusals.Handle(reply, error, replies);

    /// <summary>The kernel has all replies, also what was said instead of those that it refused.</summary>
    public void Delivered() => _held.Delivered();

    /// <summary>The channel is closed: nothing is told any more, and nothing answered.</summary>
    public void End() => _placed.Clear();

    /// <summary>There may be room now: everything that waits for it is tried again.</summary>
    public void Retry(ReplyBuffer replies)
    {
        WaitingForSpace = false;
        replies.Retry();
        foreach (CowEvent fault in _held.TakeParked())
        {
            Handle(fault, replies);
        }
    }

    /// <summary>The store became larger.</summary>
    public void Grow(ReplyBuffer replies)
    {
        _format.Grow();
        Grants.Grew();
        Retry(replies);
    }

#pragma warning disable CA1031 // As above.
    /// <summary>Everything was told, and nothing is wrong: the kernel gets places for what is written next.</summary>
    /// <param name="replies">Gets the GRANTs.</param>
    /// <param name="now">Milliseconds of a clock that only goes forward.</param>
    public void TopUp(ReplyBuffer replies, long now)
    {
        if (Mode != EngineMode.ReadWrite || WaitingForSpace || Gone)
        {
            return;
        }

        int mark = replies.Count;
        try
        {
            Grants.TopUp(replies, now);
        }
        catch (Exception x)
        {
            // Whatever a format throws: it is asked place by place, then.
            replies.Truncate(mark);
            Grants.Serve(CowFeatures.None);
            _ladder.Trouble($"no places are granted any more: {x.Message}");
        }
    }
#pragma warning restore CA1031

    /// <summary>What a chunk reads from now, as the store and the uncommitted places say.</summary>
    public Extent Where(ulong chunk, out bool uncommitted)
    {
        uncommitted = _placed.Find(chunk, out PlacedRun run);
        return uncommitted
            ? new Extent(
                new ChunkRun(chunk, 1),
                ExtentKind.Overlay,
                run.Place with { Sector = run.Place.Sector + _geometry.SectorOf(chunk - run.Run.Chunk) })
            : _format.Lookup(chunk, 1);
    }

    private void Dispatch(in CowEvent e, ReplyBuffer replies)
    {
        switch (e.Type)
        {
            case CowEventType.WriteFault:
                AnswerWrite(e, replies);
                break;
            case CowEventType.ReadFault:
                AnswerRead(e, replies);
                break;
            case CowEventType.Answered:
                _ = Adopt(e);
                break;
            case CowEventType.Placed:
                PlacedRun placed = Adopt(e);
                _placed.Room(1)[0] = placed;
                _placed.Add(e.Number, 1);
                break;
            case CowEventType.Taken:
                _heard = e.Number;
                Grants.Heard(e.Count);
                break;
            case CowEventType.Failed:
                TakeFailed(e, replies);
                break;
            case CowEventType.Granted:
                Grants.Adopt(_indices.ToGrant(e.Chunk, e.Count, e.Device, e.Sector));
                break;
            case CowEventType.Revoked:
                TakeRevoked(e, replies);
                break;
            case CowEventType.Flush:
                Commit(e, flushFirst: e.Flags.HasFlag(CowEventFlags.SelfFlush), replies);
                break;
            case CowEventType.Gone:
                Gone = true;
                Commit(e, flushFirst: true, replies);
                break;
            case CowEventType.PictureEnd:
                PictureComplete = true;
                // The others up to it were told.
                _committed = e.Number;
                Follow(e);
                AskForRefused(replies);
                break;
            default:
                _ladder.Trouble($"the kernel sent an event of unknown type {e.Type}");
                break;
        }
    }

    private void AnswerWrite(in CowEvent e, ReplyBuffer replies)
    {
        _faults++;
        if (!_geometry.Contains(e.Chunk, e.Count) || Mode != EngineMode.ReadWrite)
        {
            AnswerUnwritable(e, replies);
            return;
        }

        if (_held.TakeRefused(e))
        {
            RefuseSpace(e, replies);
        }
        else if (!_placer.TryAnswer(e, replies))
        {
            AwaitSpace(e, replies);
        }
        else if (e.Flags.HasFlag(CowEventFlags.Unknown))
        {
            _asked[e.Chunk] = e.Id;
            TellAhead(e.Chunk, replies);
        }
    }

    /// <summary>What an unknown chunk that is written first, and those behind it, read from: then the next first writes take granted places, or come as
    /// runs, where else each chunk of a store that is not told as a whole would ask. Places are told when they are asked for.</summary>
    private void TellAhead(ulong chunk, ReplyBuffer replies)
    {
        for (int i = 0; i < SourcesAhead && chunk < _geometry.Chunks; i++)
        {
            Extent extent = _format.Lookup(chunk, Math.Min(Wide, _geometry.Chunks - chunk));
            if (extent.Kind is not (ExtentKind.Overlay or ExtentKind.Opaque))
            {
                replies.Known(extent);
            }

            chunk = extent.Run.End;
        }
    }

    private void AwaitSpace(in CowEvent e, ReplyBuffer replies)
    {
        // Perhaps there is room in what the kernel holds; asked again when it has come back.
        bool reclaims = Grants.Reclaim(replies);
        if (!reclaims && !WaitForSpace)
        {
            RefuseSpace(e, replies);
            return;
        }

        WaitingForSpace |= !reclaims;
        _held.Add(e);
        replies.Hold(e.Id);
    }

    private void RefuseSpace(in CowEvent e, ReplyBuffer replies)
    {
        _held.Add(e);
        replies.Error(e.Id, Errno.ENOSPC);
    }

    /// <summary>No new places any more; a chunk that has one all the same is told.</summary>
    private void AnswerUnwritable(in CowEvent e, ReplyBuffer replies)
    {
        bool has = Mode == EngineMode.ReadOnly
            && e.Flags.HasFlag(CowEventFlags.Unknown)
            && _geometry.Contains(e.Chunk, e.Count)
            && _placer.TryMap(new ChunkRun(e.Chunk, e.Count), replies, out _);
        if (has)
        {
            _asked[e.Chunk] = e.Id;
        }
        else
        {
            replies.Error(e.Id, Errno.EIO);
        }
    }

    private void AnswerRead(in CowEvent e, ReplyBuffer replies)
    {
        _faults++;
        if (!_geometry.Contains(e.Chunk, e.Count) || Mode == EngineMode.Failed)
        {
            replies.Error(e.Id, Errno.EIO);
            return;
        }

        _asked[e.Chunk] = e.Id;
        Extent extent = _format.Lookup(e.Chunk, Math.Min(Wide, _geometry.Chunks - e.Chunk));
        switch (extent.Kind)
        {
            case ExtentKind.Overlay:
                replies.Map(new PlacedRun(extent.Run, extent.Place));
                break;
            case ExtentKind.Opaque:
                Unpack(e, replies);
                break;
            default:
                replies.Known(extent);
                break;
        }
    }

    /// <summary>Into a place where one may be written, else into the scratch file.</summary>
    private void Unpack(in CowEvent e, ReplyBuffer replies)
    {
        if (Scratch is null && Mode == EngineMode.ReadWrite)
        {
            if (!_placer.TryUnpack(e.Chunk, replies))
            {
                AwaitSpace(e, replies);
            }
        }
        else if (Scratch?.Take(e.Chunk, _format) is { } copy)
        {
            replies.Known(copy);
        }
        else
        {
            _ladder.Trouble($"chunk {e.Chunk} is compressed, and there is no room to unpack it");
            replies.Error(e.Id, Errno.EIO);
        }
    }

    private PlacedRun Adopt(in CowEvent e)
    {
        PlacedRun run = _indices.ToRun(e, _geometry);
        if (e.Flags.HasFlag(CowEventFlags.Picture))
        {
            _format.Adopt(run);
            _picture.Add(run.Run);
        }
        else
        {
            TookFromGrants(new ReadOnlySpan<PlacedRun>(in run));
        }

        return run;
    }

    /// <summary>A store that is not written any more need not know.</summary>
    private void TookFromGrants(ReadOnlySpan<PlacedRun> runs)
    {
        if (Mode == EngineMode.ReadWrite)
        {
            Grants.Took(runs);
        }
    }

    /// <summary>PLACED as nearly all are: not of the picture, and on the CoW device.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsPlain(in CowEvent e) =>
        e is { Type: CowEventType.Placed, Flags: CowEventFlags.None, Device: DeviceIndices.Cow } && _geometry.Contains(e.Chunk, e.Count);

    /// <summary>How many events from the first one on are such.</summary>
    private int PlainFirst(ReadOnlySpan<CowEvent> events)
    {
        int count = 0;
        while (count < events.Length && IsPlain(events[count]))
        {
            count++;
        }

        return count;
    }

    /// <summary>Takes the first events, as long as they are plain.</summary>
    /// <returns>How many.</returns>
    private int TakePlain(ReadOnlySpan<CowEvent> events)
    {
        // One pass, to where they stay: nothing else of the daemon is done as often.
        Span<PlacedRun> runs = _placed.Room(events.Length);
        int count = 0;
        while (count < events.Length && IsPlain(events[count]))
        {
            ref readonly CowEvent e = ref events[count];
            runs[count++] = new PlacedRun(new ChunkRun(e.Chunk, e.Count), new Place(0, e.Sector.Value));
        }

        ulong first = events[0].Number;
        ulong last = events[count - 1].Number;
        if (last != first + (ulong)count - 1)
        {
            throw NotInOrder(first, last, count);
        }

        TookFromGrants(runs[..count]);
        _placed.Add(first, count);
        return count;
    }

    private static InvalidDataException NotInOrder(ulong first, ulong last, int count) =>
        new($"{count} places from {first} on end with {last}");

    private void TakeFailed(in CowEvent e, ReplyBuffer replies)
    {
        // Taken from a grant, it counts from now on as any place that was answered.
        _ = Adopt(e);
        if (e.Error == Errno.ENOSPC)
        {
            // The place is as good as before once there is room.
            AwaitSpaceInKernel(e, replies);
        }
        else if (e.Flags.HasFlag(CowEventFlags.WriteSide))
        {
            _format.Abandon(new ChunkRun(e.Chunk, e.Count));
        }

        string side = e.Flags.HasFlag(CowEventFlags.WriteSide) ? "place" : "source";
        _ladder.CopyFailed($"copying chunks {e.Chunk}..{e.Chunk + e.Count - 1} failed at the {side} ({e.Error})");
    }

    /// <summary>The kernel holds the fault, which waits so; or is asked for at once, and refused then.</summary>
    private void AwaitSpaceInKernel(in CowEvent e, ReplyBuffer replies)
    {
        if (WaitForSpace)
        {
            WaitingForSpace = true;
            return;
        }

        _held.Refuse(e.Chunk);
        AskForRefused(replies);
    }

    /// <summary>Until the picture is complete the kernel takes no RETRY.</summary>
    private void AskForRefused(ReplyBuffer replies)
    {
        if (PictureComplete && _held.AnyRefused)
        {
            replies.Retry();
        }
    }

    private void TakeRevoked(in CowEvent e, ReplyBuffer replies)
    {
        bool asked = Grants.Revoking;
        Grants.Returned(e.Count == 0 ? default : _indices.ToGrant(e.Chunk, e.Count, e.Device, e.Sector));
        if (e.Count == 0 && asked)
        {
            Retry(replies);
        }
    }

    /// <summary>The kernel's mode is ours: where a flush of its failed, places that it reports may hold nothing.</summary>
    private void Follow(in CowEvent e)
    {
        if (e.Flags.HasFlag(CowEventFlags.ReadOnly))
        {
            _ladder.StepDown(EngineMode.ReadOnly, Refusals.KernelIsReadOnly);
        }
    }

    /// <summary>Writes the metadata of places up to the number and of no other: only their data has been flushed.</summary>
    private void Commit(in CowEvent e, bool flushFirst, ReplyBuffer replies)
    {
        Follow(e);
        if (Mode != EngineMode.ReadWrite)
        {
            replies.Flushed(e.Number, Errno.EIO);
            return;
        }

        if (flushFirst)
        {
            _space.FlushData();
        }

        _placed.CommitUpTo(e.Number, _format);
        _committed = Math.Max(_committed, e.Number);
        _commits++;
        replies.Flushed(e.Number, Errno.None);
    }

    private void AnswerFailure(in CowEvent e, Exception x, ReplyBuffer replies)
    {
        switch (e.Type)
        {
            case CowEventType.WriteFault or CowEventType.ReadFault:
                if (x is CommitFailedException)
                {
                    _ladder.StepDown(EngineMode.ReadOnly, $"metadata could not be written: {x.Message}");
                }

                _ladder.Trouble(x.Message);
                replies.Error(e.Id, Errno.EIO);
                break;
            case CowEventType.Flush or CowEventType.Gone:
                _ladder.StepDown(EngineMode.ReadOnly, $"metadata could not be written: {x.Message}");
                replies.Flushed(e.Number, Errno.EIO);
                break;
            case CowEventType.Answered or CowEventType.Placed or CowEventType.Granted or CowEventType.Revoked or CowEventType.Failed:
                Disagree(x);
                break;
            default:
                _ladder.Trouble(x.Message);
                break;
        }
    }

    private void Disagree(Exception x) => _ladder.StepDown(EngineMode.Failed, $"the store and the kernel disagree: {x.Message}");
}
