// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Write faults for which there is no room. The kernel holds them; a few it cannot, and those are kept here.</summary>
internal sealed class HeldFaults
{
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

    /// <summary>Forgets all: the kernel asks again for those that it holds, the caller answers those that it cannot.</summary>
    public CowEvent[] TakeParked()
    {
        _held.Clear();
        CowEvent[] parked = [.. _parked];
        _parked.Clear();
        return parked;
    }
}
