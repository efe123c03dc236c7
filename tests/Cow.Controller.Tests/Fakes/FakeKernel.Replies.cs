// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>Replies and their refusals, PROTOCOL.md section 4.</summary>
internal sealed partial class FakeKernel
{
    public const uint Generation = 7;

    /// <summary>Every MAP since LOAD holds.</summary>
    private bool _loading;

    /// <summary>What happens between an answer and its arrival.</summary>
    public Action? BeforeWrite { get; set; }

    /// <summary>What happens between two answers.</summary>
    public Action<CowOp>? BeforeReply { get; set; }

    public int Write(ulong epoch, ReadOnlySpan<CowReply> replies, out Errno refused)
    {
        BeforeWrite?.Invoke();
        refused = Errno.None;
        for (int i = 0; i < replies.Length; i++)
        {
            BeforeReply?.Invoke(replies[i].Op);
            refused = epoch != _epoch || replies[i].Generation != Generation ? Errno.ESTALE : Take(replies[i]);
            _loading &= refused == Errno.None || replies[i].Op != CowOp.Map;
            if (refused != Errno.None)
            {
                return i;
            }
        }

        return replies.Length;
    }

    private Errno Take(in CowReply reply)
    {
        if (!_pictureRead && reply.Op is not (CowOp.Map or CowOp.Known))
        {
            return Errno.EBUSY;
        }

        if (Gone && reply.Op is (CowOp.Map or CowOp.Known or CowOp.Rest or CowOp.Place))
        {
            return Errno.ENODEV;
        }

        return reply.Op switch
        {
            CowOp.Map => Map(reply),
            CowOp.Known => Know(reply),
            CowOp.Load => Load(),
            CowOp.Rest => _loading ? Know(reply) : Errno.ECANCELED,
            CowOp.Place => Place(reply),
            CowOp.Error => Fail(reply),
            CowOp.Hold => Hold(reply),
            CowOp.Retry => Retry(),
            CowOp.Flushed => Flushed(reply),
            CowOp.Commit => Commit(),
            CowOp.Grant => Grant(reply),
            CowOp.Revoke => Revoke(),
            _ => Errno.EINVAL,
        };
    }

    private Errno Load()
    {
        _loading = true;
        return Errno.None;
    }

    private bool Inside(in CowReply reply) =>
        reply.Count > 0 && reply.Chunk < (ulong)_chunks.Length && reply.Count <= (ulong)_chunks.Length - reply.Chunk;

    private Errno Map(in CowReply reply)
    {
        if (!Inside(reply))
        {
            return Errno.EINVAL;
        }

        if (Collides(reply))
        {
            Violations.Add($"the place {reply.Sector.Value} of chunk {reply.Chunk} is granted");
            return Errno.EBUSY;
        }

        for (ulong i = 0; i < reply.Count; i++)
        {
            FakeChunk chunk = _chunks[reply.Chunk + i];
            bool same = chunk.State == FakeChunkState.Committed
                && chunk.Device == reply.Device && chunk.Sector == reply.Sector.Value + (i * ChunkSectors);
            bool asked = chunk.State == FakeChunkState.Asked && !chunk.SourceKnown && !PartlyAnswered(reply.Chunk + i);
            if (chunk.State != FakeChunkState.Unknown && !same && !asked)
            {
                return Errno.EEXIST;
            }
        }

        for (ulong i = 0; i < reply.Count; i++)
        {
            FakeChunk chunk = _chunks[reply.Chunk + i];
            chunk.State = FakeChunkState.Committed;
            (chunk.Device, chunk.Sector) = (reply.Device, reply.Sector.Value + (i * ChunkSectors));
            EndFaultsOf(reply.Chunk + i, writesToo: true);
            WakeChunk(reply.Chunk + i);
        }

        return Errno.None;
    }

    private bool PartlyAnswered(ulong chunk) =>
        _faults.Exists(fault => fault.Answered > 0 && chunk >= fault.Chunk && chunk < fault.Chunk + fault.Count);

    private void EndFaultsOf(ulong chunk, bool writesToo)
    {
        foreach (FakeFault fault in _faults.FindAll(fault => fault.Chunk == chunk && (writesToo || !fault.Write)))
        {
            _ = _faults.Remove(fault);
            _queue.RemoveAll(e => e.Id == fault.Id && e.Id != 0);
            foreach (FakePart part in fault.Waiting)
            {
                Dispatch(part);
                part.Bio.Parts--;
            }
        }
    }

    /// <summary>KNOWN records that were taken.</summary>
    public int Knowns { get; private set; }

    private Errno Know(in CowReply reply)
    {
        Knowns++;
        if (!Inside(reply) || (reply.Device != CowProtocol.ZeroDevice && reply.Device >= _disks.Length))
        {
            return Errno.EINVAL;
        }

        for (ulong i = 0; i < reply.Count; i++)
        {
            FakeChunk chunk = _chunks[reply.Chunk + i];
            chunk.SourceKnown = true;
            chunk.SourceDevice = reply.Device;
            chunk.SourceSector = reply.Device == CowProtocol.ZeroDevice ? 0 : reply.Sector.Value + (i * ChunkSectors);
            chunk.State = chunk.State == FakeChunkState.Unknown ? FakeChunkState.None : chunk.State;
            EndFaultsOf(reply.Chunk + i, writesToo: false);
            WakeChunk(reply.Chunk + i);
        }

        return Errno.None;
    }

    private Errno Place(in CowReply reply)
    {
        ulong id = reply.Id;
        FakeFault? fault = _faults.Find(fault => fault.Id == id && fault.Write);
        if (fault is null)
        {
            return Errno.ENOENT;
        }

        ulong sectors = reply.Count * ChunkSectors;
        if (!Inside(reply) || reply.Chunk != fault.Chunk + fault.Answered || reply.Count > fault.Count - fault.Answered
            || reply.Device != CowProtocol.CowDevice || (long)(reply.Sector.Value + sectors) * 512 > _disks[1].Length
            || reply.Fill is CowFill.None || (reply.Fill == CowFill.Copy && reply.SourceDevice >= _disks.Length))
        {
            return Errno.EINVAL;
        }

        if (ReadOnly)
        {
            return Errno.EROFS;
        }

        ulong sector = reply.Sector.Value;
        uint device = reply.Device;
        IEnumerable<FakeRun> live = _uncommitted.Concat(_copying.Concat(_faults).SelectMany(other => other.Runs));
        if (live.Any(run => run.Overlaps(device, sector, sectors, ChunkSectors)) || Collides(reply))
        {
            Violations.Add($"place {sector} of chunk {reply.Chunk} is in use");
            return Errno.EBUSY;
        }

        AcceptPlace(fault, reply);
        return Errno.None;
    }

    private void AcceptPlace(FakeFault fault, CowReply reply)
    {
        ulong sector = reply.Sector.Value;
        // The module does not look this far; the test does.
        if (Array.Exists(_chunks, chunk => chunk.State == FakeChunkState.Committed && chunk.Sector < sector + (reply.Count * ChunkSectors)
            && sector < chunk.Sector + ChunkSectors))
        {
            Violations.Add($"place {sector} of chunk {reply.Chunk} is committed to another chunk");
        }

        fault.Runs.Add(new FakeRun
        {
            Chunk = reply.Chunk, Count = reply.Count, Device = reply.Device, Sector = sector, Fill = reply.Fill,
            SourceDevice = reply.SourceDevice, SourceSector = reply.SourceSector.Value,
        });
        fault.Answered += reply.Count;
        for (ulong i = 0; i < reply.Count; i++)
        {
            _chunks[reply.Chunk + i].State = FakeChunkState.Copying;
        }

        if (fault.Answered == fault.Count)
        {
            _ = _faults.Remove(fault);
            _copying.Add(fault);
        }
    }

    private Errno Fail(in CowReply reply)
    {
        ulong id = reply.Id;
        FakeFault? fault = _faults.Find(fault => fault.Id == id);
        if (fault is null || fault.Answered > 0)
        {
            return fault is null ? Errno.ENOENT : Errno.EBUSY;
        }

        _ = _faults.Remove(fault);
        for (ulong chunk = fault.Chunk; chunk < fault.Chunk + fault.Count; chunk++)
        {
            FakeChunk state = _chunks[chunk];
            state.State = fault.Write ? state.Resting : state.State;
            fault.Waiting.AddRange(state.Waiting);
            state.Waiting.Clear();
        }

        foreach (FakePart part in fault.Waiting)
        {
            part.Bio.Failed = true;
            part.Bio.Error = (int)reply.ErrorNumber;
            part.Bio.Parts--;
        }

        return Errno.None;
    }

    private Errno Hold(in CowReply reply)
    {
        ulong id = reply.Id;
        FakeFault? fault = _faults.Find(fault => fault.Id == id);
        if (fault is null || fault.Answered > 0)
        {
            return fault is null ? Errno.ENOENT : Errno.EBUSY;
        }

        fault.Held = true;
        return Errno.None;
    }

    private Errno Retry()
    {
        foreach (FakeFault fault in _faults.FindAll(fault => fault.Held))
        {
            fault.Held = false;
            TellFault(fault);
        }

        return Errno.None;
    }

    private Errno Commit()
    {
        if (ReadOnly)
        {
            return Errno.EROFS;
        }

        if (_uncommitted.Count > 0)
        {
            _deviceFlushes.Add((_number, null, [.. _disks.Select(disk => disk.BeginFlush())]));
        }

        return Errno.None;
    }

    private Errno Flushed(in CowReply reply)
    {
        if (!_asked.Contains(reply.Number))
        {
            Violations.Add($"FLUSHED for {reply.Number}, which nobody asked for");
            return Errno.EINVAL;
        }

        ulong number = reply.Number;
        bool failed = reply.ErrorNumber != Errno.None;
        foreach ((ulong waits, FakeBio bio) in _flushes.FindAll(flush => flush.Number <= number))
        {
            bio.Failed = failed;
            bio.Parts = 0;
        }

        _flushes.RemoveAll(flush => flush.Number <= number);
        ReadOnly |= failed;
        foreach (FakeRun run in failed ? [] : _uncommitted.FindAll(run => run.Number <= number))
        {
            _ = _uncommitted.Remove(run);
            for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
            {
                _chunks[chunk].State = Gone ? FakeChunkState.Unknown : FakeChunkState.Committed;
            }
        }

        return Errno.None;
    }
}
