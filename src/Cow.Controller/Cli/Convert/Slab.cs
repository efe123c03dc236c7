// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Cli.Convert;

/// <summary>The part of a disk that one thread works on at a time. Not thread-safe.</summary>
/// <param name="size">Bytes of its buffer: a multiple of the target's chunk.</param>
internal sealed class Slab(int size)
{
    /// <summary>The room is as large as the data and one part more of so many.</summary>
    public const int RoomShare = 16;

    private byte[]? _room;

    /// <summary>The data; zeros behind the end of the disk.</summary>
    public byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(size);

    /// <summary>Room for the data once more, and some: for what the target makes of it.</summary>
    public byte[] Room => _room ??= GC.AllocateUninitializedArray<byte>(size + (size / RoomShare));

    /// <summary>Number of the slab among those that hold anything: its turn.</summary>
    public long Ticket { get; set; }

    /// <summary>Byte offset on the disk; a multiple of the size.</summary>
    public ulong Offset { get; set; }

    /// <summary>Bytes of the disk in it: the last one may be shorter.</summary>
    public int Length { get; set; }

    /// <summary>Runs of chunks that are not zeros and go to places; filled by the target.</summary>
    public List<ChunkRun> Runs { get; } = [];

    /// <summary>Their places; filled by the target.</summary>
    public List<PlacedRun> Places { get; } = [];

    /// <summary>What was compressed; filled by the target.</summary>
    public List<PackedPart> Packed { get; } = [];

    /// <summary>The data that is there.</summary>
    public ReadOnlySpan<byte> Data => Buffer.AsSpan(0, Length);
}
