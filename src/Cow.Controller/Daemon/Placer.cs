// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>Finds places for write faults. Says nothing about a fault of which it could not answer all: the kernel takes no error for the rest.</summary>
internal sealed class Placer(ICowFormat format, ISpaceKeeper space)
{
    /// <summary>Adds the whole answer to a fault, or nothing.</summary>
    /// <returns>False when there is no room for all of it. What was allocated stays reserved for these chunks, so asking again costs nothing.</returns>
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
            if (allocation.NoSpace || !CanBeKept(allocation, replies))
            {
                replies.Truncate(mark);
                return false;
            }

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

    private bool CanBeKept(in Allocation allocation, ReplyBuffer replies) =>
        space.Ensure(allocation.Placed.Place.Device, replies.BytesOf(allocation.Placed))
        && space.Ensure(0, allocation.Metadata);
}
