// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>GRANT and REVOKE, PROTOCOL.md section 10.</summary>
internal sealed partial class FakeKernel
{
    private readonly List<FakeGrant> _grants = [];
    private readonly List<FakeGrant> _rests = [];
    private bool _revoking;

    /// <summary>The feature was negotiated.</summary>
    public bool ServesGrants { get; set; }

    /// <summary>There are as many grants as the kernel keeps.</summary>
    public bool GrantsFull { get; set; }

    /// <summary>Places in pools, and chunks of ranges.</summary>
    public ulong GrantsLeft => _grants.Aggregate(0UL, (sum, grant) => sum + grant.Count);

    /// <summary>Runs whose places came from a grant.</summary>
    public int Taken { get; private set; }

    /// <summary>Gives a first write granted places: as many of its chunks as adjoin. The rest comes again.</summary>
    private bool TryTake(FakePart part, ulong chunk, ulong count)
    {
        FakeGrant? grant = _grants.Find(grant => grant.Holds(chunk)) ?? _grants.Find(grant => grant.IsPool);
        if (grant is null || ReadOnly || (!grant.IsPool && _chunks[chunk].Barred))
        {
            return false;
        }

        count = Math.Min(count, grant.IsPool ? UpToTheNextRange(chunk, grant.Count) : grant.Chunk + grant.Count - chunk);
        ulong end = Math.Min((chunk + count) * ChunkSectors, part.Sector + part.Count);
        var fault = new FakeFault { Id = _nextFault++, Write = true, Unknown = false, Chunk = chunk, Count = count, Answered = count };
        fault.Runs.AddRange(Runs(grant, chunk, count));
        fault.Waiting.Add(part with { Count = end - part.Sector });
        Use(grant, fault.Runs[0]);
        _copying.Add(fault);
        Taken++;
        for (ulong i = chunk; i < chunk + count; i++)
        {
            _chunks[i].State = FakeChunkState.Copying;
        }

        if (end < part.Sector + part.Count)
        {
            Dispatch(new FakePart(part.Bio, end, part.Sector + part.Count - end));
        }

        return true;
    }

    private IEnumerable<FakeRun> Runs(FakeGrant grant, ulong chunk, ulong count)
    {
        FakeChunk first = _chunks[chunk];
        bool zero = first.SourceDevice == CowProtocol.ZeroDevice;
        yield return new FakeRun
        {
            Chunk = chunk, Count = count, Device = grant.Device, Granted = true,
            Sector = grant.Sector + (grant.IsPool ? 0 : (chunk - grant.Chunk) * ChunkSectors),
            Fill = zero ? CowFill.Zero : CowFill.Copy,
            SourceDevice = zero ? 0 : first.SourceDevice,
            SourceSector = first.SourceSector,
        };
    }

    private void Use(FakeGrant grant, FakeRun run)
    {
        IEnumerable<FakeRun> live = _uncommitted.Concat(_copying.Concat(_faults).SelectMany(other => other.Runs));
        if (live.Any(other => other.Overlaps(run.Device, run.Sector, run.Count * ChunkSectors, ChunkSectors)))
        {
            Violations.Add($"the place {run.Sector} granted to chunk {run.Chunk} is in use");
        }

        if (grant.IsPool)
        {
            grant.Sector += run.Count * ChunkSectors;
            grant.Count -= run.Count;
            _ = grant.Count == 0 && _grants.Remove(grant);
        }
    }

    private Errno Grant(in CowReply reply)
    {
        ulong sectors = reply.Count * ChunkSectors;
        ulong sector = reply.Sector.Value;
        uint device = reply.Device;
        bool pool = reply.Chunk == CowProtocol.AnyChunk;
        if (!ServesGrants || reply.Count == 0 || device != CowProtocol.CowDevice || (!pool && !Inside(reply))
            || (pool && (long)(sector + sectors) * MemoryDisk.SectorBytes > _disks[1].Length))
        {
            return Errno.EINVAL;
        }

        if (ReadOnly || Gone)
        {
            return ReadOnly ? Errno.EROFS : Errno.ENODEV;
        }

        if (GrantsFull)
        {
            return Errno.E2BIG;
        }

        var grant = new FakeGrant { Chunk = reply.Chunk, Count = reply.Count, Device = device, Sector = sector };
        if (_revoking || _grants.Exists(other => other.Overlaps(device, sector, sectors, ChunkSectors)) || (pool && InUse(grant)))
        {
            Violations.Add($"granted places from {sector} on are in use");
            return Errno.EBUSY;
        }

        _grants.Add(grant);
        return Errno.None;
    }

    /// <summary>Also by committed chunks, where the module does not look.</summary>
    private bool InUse(FakeGrant grant) =>
        _uncommitted.Concat(_copying.Concat(_faults).SelectMany(fault => fault.Runs))
            .Any(run => grant.Overlaps(run.Device, run.Sector, run.Count * ChunkSectors, ChunkSectors))
        || Array.Exists(_chunks, chunk => chunk.HasPlace && grant.Overlaps(chunk.Device, chunk.Sector, ChunkSectors, ChunkSectors));

    /// <summary>A place that is answered or told must be none that others may take.</summary>
    private bool Collides(in CowReply reply)
    {
        long offset = (long)reply.Sector.Value - (long)(reply.Chunk * ChunkSectors);
        (uint device, ulong sector, ulong sectors) = (reply.Device, reply.Sector.Value, reply.Count * ChunkSectors);
        return _grants.Exists(grant => grant.Overlaps(device, sector, sectors, ChunkSectors)
            && (grant.IsPool || (long)grant.Sector - (long)(grant.Chunk * ChunkSectors) != offset));
    }

    private Errno Revoke()
    {
        if (!ServesGrants)
        {
            return Errno.EINVAL;
        }

        _rests.AddRange(_grants);
        _grants.Clear();
        _revoking = true;
        TellRests();
        return Errno.None;
    }

    /// <summary>Behind everything that was taken.</summary>
    private void TellRests()
    {
        if (!_revoking || _copying.SelectMany(fault => fault.Runs).Any(run => run.Granted))
        {
            return;
        }

        TellPlaced();
        foreach (FakeGrant grant in _rests)
        {
            Tell(GrantEvent(CowEventType.Revoked, grant));
        }

        _rests.Clear();
        _revoking = false;
        Tell(new CowEvent { Type = CowEventType.Revoked });
    }

    private static CowEvent GrantEvent(CowEventType type, FakeGrant grant) => new()
    {
        Type = type, Chunk = grant.Chunk, Count = grant.Count, Device = grant.Device, Sector = new Sectors(grant.Sector),
    };

    /// <summary>What a new controller is told; rests that nobody was told of are nobody's.</summary>
    private void PictureOfGrants(bool serves)
    {
        ServesGrants = serves;
        _rests.Clear();
        _revoking = false;
        if (!serves)
        {
            _grants.Clear();
        }

        foreach (FakeGrant grant in _grants)
        {
            _queue.Add(GrantEvent(CowEventType.Granted, grant) with { Flags = CowEventFlags.Picture });
        }
    }

    /// <summary>What a range serves takes no place of a pool.</summary>
    private ulong UpToTheNextRange(ulong chunk, ulong most) =>
        _grants.Where(grant => !grant.IsPool && grant.Chunk > chunk).Aggregate(most, (gap, range) => Math.Min(gap, range.Chunk - chunk));
}
