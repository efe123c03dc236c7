// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>What goes into the header of a call.</summary>
/// <param name="Command">The call.</param>
/// <param name="Device">The device; null where the call speaks of none.</param>
internal readonly record struct DmRequest(DmCommand Command, DmKey? Device)
{
    /// <summary>DM_DEV_CREATE: the unique id.</summary>
    public DmUuid? Uuid { get; init; }

    /// <summary>How; masked to what the call takes.</summary>
    public DmFlags Flags { get; init; }

    /// <summary>DM_DEV_WAIT: events seen. Remove and resume: the udev cookie.</summary>
    public uint EventNr { get; init; }

    /// <summary>DM_TABLE_LOAD: lines.</summary>
    public uint TargetCount { get; init; }

    /// <summary>
    /// Fills the header. The version sent is 4.0.0: the kernel refuses a minor above its own, and nothing that is
    /// used here depends on it.
    /// </summary>
    /// <param name="buffer">Its data is left alone.</param>
    public void WriteTo(DmBuffer buffer)
    {
        ref var header = ref buffer.Header;
        header = default;
        header.Version[0] = DmNumbers.Major;
        header.DataSize = (uint)buffer.Length;
        header.DataStart = (uint)DmHeader.Size;
        header.TargetCount = TargetCount;
        header.Flags = Flags & Command.Allowed;
        header.EventNr = EventNr;
        CText.Write((Device as DmName)?.Value ?? "", header.Name);
        CText.Write((Uuid ?? Device as DmUuid)?.Value ?? "", header.Uuid);
    }
}
