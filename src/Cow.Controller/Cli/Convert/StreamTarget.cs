// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Convert;

/// <summary>A new image that is a stream of compressed parts.</summary>
/// <param name="stream">The image, of which nothing but its beginning is written.</param>
internal sealed class StreamTarget(IStreamedImage stream) : IConvertTarget
{
    public int ChunkBytes => stream.PackBytes;

    public void Prepare(Slab slab)
    {
        slab.Packed.Clear();
        ReadOnlySpan<byte> data = slab.Data;
        for (int start = 0; start < data.Length && NonZero.Next(data, ChunkBytes, ref start, out int length); start += length)
        {
            for (int at = start; at < start + length; at += ChunkBytes)
            {
                slab.Packed.Add(new PackedPart(at, stream.Pack(slab.Buffer.AsSpan(at, ChunkBytes), Room(slab, at, stream.MostPackedBytes))));
            }
        }
    }

    public void Write(Slab slab)
    {
        foreach (PackedPart packed in slab.Packed)
        {
            stream.Append(slab.Offset + (ulong)packed.Start, Room(slab, packed.Start, packed.Length));
        }
    }

    public void Complete() => stream.Complete();

    public void Dispose()
    {
    }

    /// <summary>Room for the packed form of a part: of each a little more than the part, since some grow.</summary>
    private static Span<byte> Room(Slab slab, int start, int length) => slab.Room.AsSpan(start + (start / Slab.RoomShare), length);
}
