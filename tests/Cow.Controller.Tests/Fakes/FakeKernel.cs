// SPDX-License-Identifier: MIT
using System.Buffers.Binary;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>
/// The kernel's side of kernel-shim/PROTOCOL.md for one ident of target <c>cow</c>, over disks in memory: states, numbers, picture, refusals, epochs.
/// This part is what a user of the device sees; copies end when the test says so.
/// </summary>
internal sealed partial class FakeKernel
{
    /// <summary>What a sector reads as that holds another sector's data, or none that was ever written.</summary>
    public const ulong Garbage = ulong.MaxValue;

    private readonly MemoryDisk[] _disks;
    private readonly FakeChunk[] _chunks;
    private readonly List<FakeFault> _faults = [];
    private readonly List<FakeFault> _copying = [];
    private readonly List<FakeRun> _uncommitted = [];
    private readonly List<(ulong Number, FakeBio Bio)> _flushes = [];
    private readonly List<(ulong Number, FakeBio? Bio, Dictionary<long, int>[] Begun)> _deviceFlushes = [];
    private ulong _number;
    private ulong _nextFault = 1;

    /// <summary>A table with one line. Disk 0 is the base, 1 the CoW device, then layers.</summary>
    public FakeKernel(ulong sectors, ulong chunkSectors, params MemoryDisk[] disks)
    {
        Sectors = sectors;
        ChunkSectors = chunkSectors;
        _disks = disks;
        _chunks = [.. Enumerable.Range(0, (int)((sectors + chunkSectors - 1) / chunkSectors)).Select(_ => new FakeChunk())];
    }

    public ulong Sectors { get; }

    public ulong ChunkSectors { get; }

    public bool ReadOnly { get; private set; }

    public bool Gone { get; private set; }

    /// <summary>As after a device flush that failed, or by an operator's message.</summary>
    public void StepDown() => ReadOnly = true;

    /// <summary>What no controller may cause.</summary>
    public List<string> Violations { get; } = [];

    public int Copies => _copying.Count;

    public int Faults => _faults.Count;

    public int Uncommitted => _uncommitted.Count;

    public FakeChunk ChunkAt(ulong chunk) => _chunks[chunk];

    public FakeBio Write(ulong sector, ulong count, ulong token) => Submit(new FakeBio { Sector = sector, Count = count, Token = token });

    public FakeBio Read(ulong sector, ulong count) => Submit(new FakeBio { Sector = sector, Count = count, Result = new ulong[count] });

    /// <summary>A flush takes its number now; the device flush that it waits for ends when the test says so.</summary>
    public FakeBio Flush()
    {
        var bio = new FakeBio { Sector = 0, Count = 0, Parts = 1 };
        _deviceFlushes.Add((_number, bio, [.. _disks.Select(disk => disk.BeginFlush())]));
        return bio;
    }

    public int DeviceFlushes => _deviceFlushes.Count;

    /// <summary>The oldest device flush ends; what was placed while it ran is not part of it.</summary>
    public void EndDeviceFlush()
    {
        (ulong number, FakeBio? bio, Dictionary<long, int>[] begun) = _deviceFlushes[0];
        _deviceFlushes.RemoveAt(0);
        for (int disk = 0; disk < _disks.Length; disk++)
        {
            _disks[disk].EndFlush(begun[disk]);
        }

        if (bio is null)
        {
            AskFlush(number);
        }
        else if (ReadOnly || !_uncommitted.Exists(run => run.Number <= number))
        {
            bio.Failed = ReadOnly && _uncommitted.Count > 0;
            bio.Parts = 0;
        }
        else
        {
            _flushes.Add((number, bio));
            AskFlush(number);
        }
    }

    /// <summary>A copy ends. Its runs are numbered before anybody is told.</summary>
    public void EndCopy(int index, bool failWriting = false, Errno error = Errno.EIO)
    {
        FakeFault copy = _copying[index];
        _copying.RemoveAt(index);
        foreach (FakeRun run in copy.Runs)
        {
            EndRun(run, failWriting, error);
        }

        TellRests();
        if (failWriting && error == Errno.ENOSPC)
        {
            HoldAgain(copy);
            return;
        }

        Finish(copy, failWriting);
        ulong first = copy.Chunk;
        for (ulong chunk = first; chunk < first + copy.Count; chunk++)
        {
            WakeChunk(chunk);
        }
    }

    /// <summary>A noflush suspend and the resume behind it: bios that are not being copied come again through the new table.</summary>
    public void SwapTable()
    {
        List<FakePart> parts = [];
        foreach (FakeFault fault in _faults)
        {
            parts.AddRange(fault.Waiting);
            for (ulong chunk = fault.Chunk; fault.Write && chunk < fault.Chunk + fault.Count; chunk++)
            {
                _chunks[chunk].State = _chunks[chunk].Resting;
            }
        }

        _faults.Clear();
        ForgetQueuedFaults();
        foreach (FakeChunk chunk in _chunks)
        {
            parts.AddRange(chunk.Waiting);
            chunk.Waiting.Clear();
        }

        foreach (FakePart part in parts)
        {
            Dispatch(part);
            part.Bio.Parts--;
        }
    }

    /// <summary>The last line goes. Only for a device without I/O.</summary>
    public void Remove()
    {
        Gone = true;
        _loading = false;
        foreach (FakeChunk chunk in _chunks)
        {
            chunk.SourceKnown = false;
            chunk.Barred = false;
            chunk.State = chunk.State == FakeChunkState.Placed ? FakeChunkState.Placed : FakeChunkState.Unknown;
        }

        if (_grants.Count > 0)
        {
            _ = Revoke();
        }

        TellGone();
    }

    /// <summary>A line comes back. What was not read of the end is void.</summary>
    public void Recreate()
    {
        Gone = false;
        _ = _queue.RemoveAll(e => e.Type == CowEventType.Gone);
    }

    private FakeBio Submit(FakeBio bio)
    {
        bio.Parts = 1;
        Dispatch(new FakePart(bio, bio.Sector, bio.Count));
        bio.Parts--;
        return bio;
    }

    private void Dispatch(FakePart part)
    {
        for (ulong sector = part.Sector; sector < part.Sector + part.Count;)
        {
            ulong chunk = sector / ChunkSectors;
            ulong end = Math.Min((chunk + 1) * ChunkSectors, part.Sector + part.Count);
            while (part.Bio.IsWrite && _chunks[chunk].State == FakeChunkState.None
                && end < part.Sector + part.Count && _chunks[end / ChunkSectors].State == FakeChunkState.None)
            {
                end = Math.Min(((end / ChunkSectors) + 1) * ChunkSectors, part.Sector + part.Count);
            }

            part.Bio.Parts++;
            var piece = new FakePart(part.Bio, sector, end - sector);
            if (part.Bio.IsWrite)
            {
                DispatchWrite(piece, _chunks[chunk], chunk);
            }
            else
            {
                DispatchRead(piece, _chunks[chunk], chunk);
            }

            sector = end;
        }
    }

    private void DispatchWrite(FakePart part, FakeChunk state, ulong chunk)
    {
        switch (state.State)
        {
            case FakeChunkState.Asked or FakeChunkState.Copying:
                state.Waiting.Add(part);
                break;
            case FakeChunkState.Placed or FakeChunkState.Committed:
                Store(part, state, chunk);
                part.Bio.Parts--;
                break;
            case FakeChunkState.None when TryTake(part, chunk, ((part.Sector + part.Count - 1) / ChunkSectors) - chunk + 1):
                break;
            default:
                ulong last = (part.Sector + part.Count - 1) / ChunkSectors;
                Fault(part, chunk, last - chunk + 1, write: true, unknown: state.State == FakeChunkState.Unknown);
                break;
        }
    }

    private void DispatchRead(FakePart part, FakeChunk state, ulong chunk)
    {
        if (state.HasPlace || state.SourceKnown)
        {
            Load(part, state, chunk);
            part.Bio.Parts--;
            return;
        }

        state.Waiting.Add(part);
        if (state.State == FakeChunkState.Unknown && !_faults.Exists(fault => !fault.Write && fault.Chunk == chunk))
        {
            Fault(null, chunk, 1, write: false, unknown: true);
        }
    }

    private void Fault(FakePart? part, ulong chunk, ulong count, bool write, bool unknown)
    {
        var fault = new FakeFault { Id = _nextFault++, Write = write, Unknown = unknown, Chunk = chunk, Count = count };
        for (ulong i = chunk; write && i < chunk + count; i++)
        {
            _chunks[i].State = FakeChunkState.Asked;
        }

        if (part is not null)
        {
            fault.Waiting.Add(part);
        }

        _faults.Add(fault);
        TellFault(fault);
    }

    private void Store(FakePart part, FakeChunk state, ulong chunk)
    {
        for (ulong i = part.Sector; i < part.Sector + part.Count; i++)
        {
            _disks[state.Device].Stamp(state.Sector + i - (chunk * ChunkSectors), part.Bio.Token, i);
        }
    }

    private void Load(FakePart part, FakeChunk state, ulong chunk)
    {
        (uint device, ulong start) = state.HasPlace ? (state.Device, state.Sector) : (state.SourceDevice, state.SourceSector);
        for (ulong i = part.Sector; i < part.Sector + part.Count; i++)
        {
            part.Bio.Result[i - part.Bio.Sector] = TokenAt(device, start + i - (chunk * ChunkSectors), i);
        }
    }

    /// <summary>The token in a sector of a disk, which must be that of sector <paramref name="expected"/> of the device.</summary>
    public ulong TokenAt(uint device, ulong sector, ulong expected)
    {
        if (device == CowProtocol.ZeroDevice || (long)sector * MemoryDisk.SectorBytes >= _disks[device].Length)
        {
            return 0;
        }

        Span<byte> bytes = stackalloc byte[16];
        _disks[device].ReadAt(bytes, (long)sector * MemoryDisk.SectorBytes);
        ulong token = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return token == 0 || BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) == expected ? token : Garbage;
    }
}
