// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// What the kernel tells or asks: struct dm_cow_event of linux/dm-cow.h, byte for byte. Which field means something
/// in which event says PROTOCOL.md section 3; the others are 0. Chunks count from the start of the mapped device.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_cow_event", "linux/dm-cow.h")]
public readonly record struct CowEvent
{
    /// <summary>What it tells or asks.</summary>
    public CowEventType Type { get; init; }

    /// <summary>How.</summary>
    public CowEventFlags Flags { get; init; }

    /// <summary>Faults: to be repeated in the answer.</summary>
    public ulong Id { get; init; }

    /// <summary>First chunk it speaks of. GRANTED, REVOKED: <see cref="CowProtocol.AnyChunk"/> for a pool.</summary>
    public ulong Chunk { get; init; }

    /// <summary>Chunks in a row that it speaks of; GRANTED, REVOKED: places; TAKEN: places that are left of all grants.</summary>
    public ulong Count { get; init; }

    /// <summary>PLACED: the number of this run. FLUSH, GONE, PICTURE_END, TAKEN: the last number that counts.</summary>
    public ulong Number { get; init; }

    /// <summary>ANSWERED, PLACED, FAILED, GRANTED, REVOKED: first sector of the place on its device.</summary>
    public Sectors Sector { get; init; }

    /// <summary>ANSWERED, PLACED, FAILED, GRANTED, REVOKED: device of the place, an index into the device list.</summary>
    public uint Device { get; init; }

    /// <summary>FAILED: why.</summary>
    public Errno Error { get; init; }

    /// <summary>0.</summary>
    public ulong Reserved { get; init; }
}
