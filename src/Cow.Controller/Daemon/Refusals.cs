// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>What follows when the kernel refuses a reply (PROTOCOL.md section 4, refusals). A refused reply has changed nothing.</summary>
/// <param name="geometry">The device.</param>
/// <param name="indices">Its devices.</param>
/// <param name="placed">What is uncommitted.</param>
/// <param name="held">Faults that wait for room.</param>
/// <param name="grants">What the kernel may take.</param>
/// <param name="ladder">Gets what is wrong.</param>
/// <param name="asked">Of the last batch the chunks of the faults that a MAP or KNOWN may have answered, and the ids of those.</param>
internal sealed class Refusals(
    ChunkGeometry geometry, DeviceIndices indices, PlacedQueue placed, HeldFaults held, Grants grants, Ladder ladder, Dictionary<ulong, ulong> asked)
{
    public const string KernelIsReadOnly =
        "the kernel made the device read-only: the CoW device could not be flushed, or somebody asked for it; \"dmesg\" tells";

    private ulong _givenUp;

    /// <summary>Adds what is to be sent instead.</summary>
    public void Handle(in CowReply reply, Errno error, ReplyBuffer replies)
    {
        switch (reply.Op)
        {
            case var _ when error == Errno.ENOENT:
                // The fault was answered, pushed back by a table swap or failed meanwhile.
                break;
            case CowOp.Commit when error == Errno.EROFS:
                ladder.StepDown(EngineMode.ReadOnly, KernelIsReadOnly);
                break;
            case CowOp.Grant:
                Grant(reply, error);
                break;
            case CowOp.Place:
                Place(reply, error, replies);
                break;
            case CowOp.Map when error == Errno.EEXIST:
                Map(reply, replies);
                break;
            case CowOp.Map when error == Errno.EINVAL:
                Misplaced(reply, replies);
                break;
            case CowOp.Known when error == Errno.EINVAL:
                ladder.Trouble(
                    $"sector {reply.Sector} of device {reply.Device} begins no block of it, so the kernel cannot read chunk {reply.Chunk} there: "
                    + "convert the image that lies there to qcow2");
                FailWhoAsked(reply.Chunk, replies);
                break;
            case CowOp.Hold or CowOp.Error when error == Errno.EBUSY && held.Park(reply.Id):
                break;
            default:
                ladder.Trouble($"the kernel refused {reply.Op} of chunk {reply.Chunk} ({error})");
                break;
        }
    }

    /// <summary>The places are ours again. ENODEV: the last line went meanwhile; REVOKED and GONE will tell, and a line may come back. E2BIG: many
    /// places are not committed.</summary>
    private void Grant(in CowReply reply, Errno error)
    {
        grants.Refused(indices.ToGrant(reply.Chunk, reply.Count, reply.Device, reply.Sector), error);
        if (error == Errno.EROFS)
        {
            ladder.StepDown(EngineMode.ReadOnly, KernelIsReadOnly);
        }
        else if (error is not (Errno.ENODEV or Errno.E2BIG))
        {
            ladder.Trouble($"the kernel refused to be granted {reply.Count} places at sector {reply.Sector} ({error})");
        }
    }

    private void Place(in CowReply reply, Errno error, ReplyBuffer replies)
    {
        if (reply.Id == _givenUp)
        {
            // A further piece of a fault that has been given up.
            return;
        }

        _givenUp = reply.Id;
        if (error == Errno.EROFS)
        {
            ladder.StepDown(EngineMode.ReadOnly, KernelIsReadOnly);
        }
        else
        {
            ladder.Trouble($"the kernel refused the place of chunk {reply.Chunk} at sector {reply.Sector} ({error})");
        }

        replies.Error(reply.Id, Errno.EIO);
    }

    /// <summary>Some place of the run is none of the device's: it may lie behind its end. The chunk that was asked for, the first one, may have one all the
    /// same.</summary>
    private void Misplaced(in CowReply reply, ReplyBuffer replies)
    {
        if (reply.Count > 1)
        {
            replies.Add(reply with { Count = 1 });
            return;
        }

        ladder.Trouble($"the kernel has no place for chunk {reply.Chunk} at sector {reply.Sector} of device {reply.Device}");
        FailWhoAsked(reply.Chunk, replies);
    }

    /// <summary>Nobody else would ever answer those who wait for the chunk.</summary>
    private void FailWhoAsked(ulong chunk, ReplyBuffer replies)
    {
        if (asked.Remove(chunk, out ulong id))
        {
            replies.Error(id, Errno.EIO);
        }
    }

    /// <summary>Some chunk of the run is uncommitted to the kernel, or being placed. Halves find it, and tell of all others.</summary>
    private void Map(in CowReply reply, ReplyBuffer replies)
    {
        if (reply.Count > 1)
        {
            ulong half = reply.Count / 2;
            replies.Add(reply with { Count = half });
            replies.Add(reply with
            {
                Chunk = reply.Chunk + half,
                Count = reply.Count - half,
                Sector = new Sectors(reply.Sector.Value + geometry.SectorOf(half)),
            });
        }
        else if (!placed.Find(reply.Chunk, out _))
        {
            ladder.Trouble($"the kernel takes chunk {reply.Chunk} for one without a place, and the store has one");
        }
    }
}
