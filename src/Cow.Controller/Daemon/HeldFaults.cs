// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Write faults for which there is no room. The kernel holds them; a few it cannot, and those are kept here.</summary>
internal sealed class HeldFaults
{
    // Those whose replies are on their way, by their ids: which of them the kernel refuses is not known yet.
    private readonly Dictionary<ulong, CowEvent> _held = [];
    private readonly List<CowEvent> _parked = [];

    // First chunks of the runs of faults that the kernel holds by itself, and that are to end with ENOSPC.
    private readonly HashSet<ulong> _refused = [];

    /// <summary>A fault is to end with ENOSPC when the kernel asks it again.</summary>
    public bool AnyRefused => _refused.Count > 0;

    /// <summary>HOLD or ENOSPC is on its way to the kernel.</summary>
    public void Add(in CowEvent fault) => _held[fault.Id] = fault;

    /// <summary>The kernel took neither: a part of the fault was answered by our predecessor, so the rest cannot be held or failed.</summary>
    public bool Park(ulong id)
    {
        bool known = _held.Remove(id, out CowEvent fault);
        if (known)
        {
            _parked.Add(fault);
        }

        return known;
    }

    /// <summary>The place of a chunk met ENOSPC in the kernel, which then holds the fault whatever our policy, and does not say which fault it is.</summary>
    public void Refuse(ulong chunk) => _refused.Add(chunk);

    /// <summary>Whether a fault is one of these. The next one for these chunks is tried again.</summary>
    public bool TakeRefused(in CowEvent fault)
    {
        bool any = false;
        for (ulong i = 0; i < fault.Count && AnyRefused; i++)
        {
            any |= _refused.Remove(fault.Chunk + i);
        }

        return any;
    }

    /// <summary>All replies are with the kernel, and those that it refuses have come back: it asks again for what it holds.</summary>
    public void Delivered() => _held.Clear();

    /// <summary>Forgets all, for there may be room now: the caller answers those that are kept here.</summary>
    public CowEvent[] TakeParked()
    {
        _refused.Clear();
        CowEvent[] parked = [.. _parked];
        _parked.Clear();
        return parked;
    }
}
