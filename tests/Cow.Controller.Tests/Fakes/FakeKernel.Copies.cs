// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>The end of copies, and what waited for them.</summary>
internal sealed partial class FakeKernel
{
    private void EndRun(FakeRun run, bool failWriting, Errno error)
    {
        if (failWriting)
        {
            Tell(RunEvent(CowEventType.Failed, run) with { Flags = CowEventFlags.WriteSide, Error = error });
        }
        else
        {
            CopyData(run);
            run.Number = ++_number;
            _uncommitted.Add(run);
            TellLater(run);
        }

        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            FakeChunk state = _chunks[chunk];
            state.State = failWriting ? state.Resting : FakeChunkState.Placed;
            state.Barred |= failWriting && run.Granted;
            (state.Device, state.Sector) = (run.Device, run.Sector + ((chunk - run.Chunk) * ChunkSectors));
        }
    }

    /// <summary>ENOSPC under a place that was thought to exist: asked again on RETRY.</summary>
    private void HoldAgain(FakeFault fault)
    {
        (fault.Answered, fault.Held) = (0, true);
        fault.Runs.Clear();
        for (ulong chunk = fault.Chunk; chunk < fault.Chunk + fault.Count; chunk++)
        {
            _chunks[chunk].State = FakeChunkState.Asked;
        }

        _faults.Add(fault);
    }

    private void CopyData(FakeRun run)
    {
        byte[] sector = new byte[MemoryDisk.SectorBytes];
        ulong sectors = Math.Min(run.Count * ChunkSectors, Sectors - (run.Chunk * ChunkSectors));
        for (ulong i = 0; i < sectors && run.Fill != CowFill.Nothing; i++)
        {
            long from = (long)(run.SourceSector + i) * MemoryDisk.SectorBytes;
            Array.Clear(sector);
            if (run.Fill == CowFill.Copy && from < _disks[run.SourceDevice].Length)
            {
                _disks[run.SourceDevice].ReadAt(sector, from);
            }

            _disks[run.Device].WriteAt(sector, (long)(run.Sector + i) * MemoryDisk.SectorBytes);
        }
    }

    private void Finish(FakeFault copy, bool failed)
    {
        foreach (FakePart part in copy.Waiting)
        {
            if (failed)
            {
                part.Bio.Failed = true;
            }
            else
            {
                Dispatch(part);
            }

            part.Bio.Parts--;
        }
    }

    private void WakeChunk(ulong chunk)
    {
        FakePart[] waiting = [.. _chunks[chunk].Waiting];
        _chunks[chunk].Waiting.Clear();
        foreach (FakePart part in waiting)
        {
            Dispatch(part);
            part.Bio.Parts--;
        }
    }
}
