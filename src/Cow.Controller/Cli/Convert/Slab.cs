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

    /// <summary>Runs of chunks that are not zeros and are written as they are; filled by the target.</summary>
    public List<ChunkRun> Runs { get; } = [];

    /// <summary>What was compressed; filled by the target.</summary>
    public List<PackedPart> Packed { get; } = [];

    /// <summary>The data that is there.</summary>
    public ReadOnlySpan<byte> Data => Buffer.AsSpan(0, Length);

    /// <summary>The chunks of a part of the data.</summary>
    /// <param name="start">Byte offset in the slab; a multiple of the chunk.</param>
    /// <param name="length">Bytes; the last chunk may be shorter.</param>
    /// <param name="chunkBytes">Bytes of a chunk.</param>
    public ChunkRun Chunks(int start, int length, int chunkBytes) =>
        new((Offset + (ulong)start) / (ulong)chunkBytes, (ulong)((length + chunkBytes - 1) / chunkBytes));

    /// <summary>The data of such chunks, as far as the disk goes.</summary>
    public ReadOnlySpan<byte> DataOf(ChunkRun run, int chunkBytes)
    {
        int start = (int)((run.Chunk * (ulong)chunkBytes) - Offset);
        return Data.Slice(start, (int)Math.Min(run.Count * (ulong)chunkBytes, (ulong)(Length - start)));
    }
}
