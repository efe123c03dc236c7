// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Write faults for which there is no room. The kernel holds them; a few it cannot, and those are kept here.</summary>
internal sealed class HeldFaults
{
    // Those whose replies are on their way, by their ids: which of them the kernel refuses is not known yet.
    private readonly Dictionary<ulong, CowEvent> _held = [];
    private readonly List<CowEvent> _parked = [];

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

    /// <summary>All replies are with the kernel, and those that it refuses have come back: it asks again for what it holds.</summary>
    public void Delivered() => _held.Clear();

    /// <summary>Forgets all: the caller answers them.</summary>
    public CowEvent[] TakeParked()
    {
        CowEvent[] parked = [.. _parked];
        _parked.Clear();
        return parked;
    }
}
