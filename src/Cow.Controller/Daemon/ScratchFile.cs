// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Io;

namespace Cow.Controller.Daemon;

/// <summary>
/// Where the compressed chunks of an image that may not be written are unpacked to: a sparse file as large as the disk, each chunk at its own offset,
/// so that a new daemon needs to know nothing about what the kernel was told by the one before it.
/// </summary>
/// <param name="file">The file. Closed by its opener.</param>
/// <param name="layer">Its number among the layers.</param>
/// <param name="geometry">The device.</param>
/// <param name="room">Asks for the bytes that the file may still take.</param>
internal sealed class ScratchFile(IImageFile file, int layer, ChunkGeometry geometry, Func<long> room)
{
    private readonly byte[] _buffer = new byte[geometry.ChunkSectors * ChunkGeometry.SectorBytes];

    // Chunks that were unpacked here: they take no more room when the kernel has forgotten them, and asks again.
    private readonly HashSet<ulong> _unpacked = [];
    private long _room = room();

    /// <summary>Unpacks a chunk.</summary>
    /// <returns>Where it reads from now; null when the file has taken all that it may.</returns>
    public Extent? Take(ulong chunk, ICowFormat format)
    {
        var run = new ChunkRun(chunk, 1);
        int bytes = checked((int)geometry.SectorsOf(run) * ChunkGeometry.SectorBytes);
        if (!HasRoom(chunk, bytes))
        {
            return null;
        }

        Span<byte> data = _buffer.AsSpan(0, bytes);
        format.Read(chunk, data);
        ulong sector = geometry.SectorOf(chunk);
        file.WriteAt(data, checked((long)sector * ChunkGeometry.SectorBytes));
        _room -= _unpacked.Add(chunk) ? bytes : 0;
        return new Extent(run, ExtentKind.Layer, new Place(layer, sector));
    }

    private bool HasRoom(ulong chunk, int bytes)
    {
        if (_unpacked.Contains(chunk) || bytes <= _room)
        {
            return true;
        }

        // What a former daemon had unpacked, and this one again, was counted twice.
        _room = room();
        return bytes <= _room;
    }
}
