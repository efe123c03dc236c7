// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>Finds places for write faults. Says nothing about a fault of which it could not answer all: the kernel takes no error for the rest.</summary>
internal sealed class Placer(ICowFormat format, ISpaceKeeper space, ChunkGeometry geometry)
{
    private byte[] _buffer = [];

    /// <summary>Adds the whole answer to a fault, or nothing.</summary>
    /// <returns>False when there is no room for all of it. What was allocated stays reserved for these chunks, so asking again costs nothing.</returns>
    /// <exception cref="IOException">A chunk of it can have no place. All of it fails, as a request to a disk does of which one sector is bad.</exception>
    public bool TryAnswer(in CowEvent fault, ReplyBuffer replies)
    {
        int mark = replies.Count;
        ulong end = fault.Chunk + fault.Count;
        for (ulong chunk = fault.Chunk; chunk < end;)
        {
            var wanted = new ChunkRun(chunk, end - chunk);
            if (fault.Flags.HasFlag(CowEventFlags.Unknown) && TryMap(wanted, replies, out ChunkRun mapped))
            {
                chunk = mapped.End;
                continue;
            }

            Allocation allocation = format.Allocate(wanted);
            if (IsFull(chunk, allocation) || !CanBeKept(allocation, replies))
            {
                replies.Truncate(mark);
                return false;
            }

            FillOpaque(ref allocation);
            replies.Place(fault.Id, allocation);
            chunk = allocation.Placed.Run.End;
        }

        return true;
    }

    /// <summary>The kernel has not been told about the chunk: the store may have a place for it.</summary>
    public bool TryMap(ChunkRun wanted, ReplyBuffer replies, out ChunkRun mapped)
    {
        Extent extent = format.Lookup(wanted.Chunk, wanted.Count);
        mapped = extent.Run;
        if (extent.Kind != ExtentKind.Overlay)
        {
            return false;
        }

        replies.Map(new PlacedRun(extent.Run, extent.Place));
        return true;
    }

    /// <summary>Gives a chunk that no device holds as it is (compressed) a place that does, and commits it. Nothing of its contents changes, so
    /// nobody need have asked for it to be durable; but only what is committed may be told by MAP.</summary>
    /// <param name="chunk">A chunk that is unknown to the kernel: nobody is writing it.</param>
    /// <param name="replies">Gets the MAP.</param>
    /// <returns>False when there is no room.</returns>
    /// <exception cref="IOException">The chunk can have no place.</exception>
    public bool TryUnpack(ulong chunk, ReplyBuffer replies)
    {
        Allocation allocation = format.Allocate(new ChunkRun(chunk, 1));
        if (IsFull(chunk, allocation) || !CanBeKept(allocation, replies))
        {
            return false;
        }

        FillOpaque(ref allocation);
        Commit(allocation.Placed);
        replies.Map(allocation.Placed);
        return true;
    }

#pragma warning disable CA1031 // Whatever it is: after a failed commit the store is not written again.
    private void Commit(in PlacedRun placed)
    {
        try
        {
            space.FlushData();
            format.Commit([placed]);
            format.Flush();
        }
        catch (Exception e)
        {
            throw new CommitFailedException(e);
        }
    }
#pragma warning restore CA1031

    /// <summary>Makes an allocation one that the kernel can serve: what it cannot copy from anywhere is at the place already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void FillOpaque(ref Allocation allocation)
    {
        if (allocation is { Fill: Fill.Copy, Source.Kind: ExtentKind.Opaque })
        {
            Unpack(ref allocation);
        }
    }

    /// <summary>One chunk: opaque ones never come in runs.</summary>
    private void Unpack(ref Allocation allocation)
    {
        Span<byte> data = Buffer(checked((int)geometry.SectorsOf(allocation.Placed.Run) * ChunkGeometry.SectorBytes));
        format.Read(allocation.Placed.Run.Chunk, data);
        space.Fill(allocation.Placed.Place, data);
        allocation = allocation with { Fill = Fill.None };
    }

    private Span<byte> Buffer(int bytes)
    {
        if (_buffer.Length < bytes)
        {
            _buffer = new byte[bytes];
        }

        return _buffer.AsSpan(0, bytes);
    }

    /// <summary>Nobody waits for room to write a chunk whose only place is bad.</summary>
    private bool IsFull(ulong chunk, in Allocation allocation)
    {
        if (allocation.NoSpace && format.IsGivenUp(chunk))
        {
            throw new IOException($"chunk {chunk} cannot be written: its place is bad, and it can have no other");
        }

        return allocation.NoSpace;
    }

    private bool CanBeKept(in Allocation allocation, ReplyBuffer replies) =>
        space.Ensure(allocation.Placed.Place.Device, replies.BytesOf(allocation.Placed))
        && (allocation.Metadata.Length == 0 || space.Ensure(0, allocation.Metadata));
}
