// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

/// <summary>What was written to each sector of a disk, and when it became durable: says what may be there after a crash.</summary>
internal sealed class SectorHistory
{
    /// <summary>Stands for a sector of zeros.</summary>
    public const ulong Zeros = 0;

    // The versions that were there at first, and what came to those sectors that were written.
    private readonly ulong[] _first;
    private readonly Dictionary<int, List<Entry>> _written = [];
    private readonly List<int> _unsure = [];
    private ulong _version = 1;

    /// <summary>Starts with what the disk reads now.</summary>
    public SectorHistory(ReadOnlySpan<byte> content)
    {
        _first = new ulong[content.Length / Stamp.Bytes];
        for (int sector = 0; sector < _first.Length; sector++)
        {
            ReadOnlySpan<byte> bytes = content.Slice(sector * Stamp.Bytes, Stamp.Bytes);
            _first[sector] = bytes.ContainsAnyExcept((byte)0) ? Stamp.VersionOf(bytes, (ulong)sector) : Zeros;
        }
    }

    private SectorHistory(ulong[] first) => _first = first;

    /// <summary>Another history that starts where this one did.</summary>
    public SectorHistory Fresh() => new(_first);

    /// <summary>Draws what a write shall contain.</summary>
    /// <param name="offset">Byte offset of the write.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="position">Now.</param>
    public byte[] Write(ulong offset, int length, int position)
    {
        ulong version = ++_version;
        byte[] data = new byte[length];
        for (int at = 0; at < length; at += Stamp.Bytes)
        {
            ulong sector = (offset + (ulong)at) / Stamp.Bytes;
            Stamp.Of(sector, version).CopyTo(data, at);
            Add((int)sector, version, position);
        }
        return data;
    }

    public void Zero(ulong offset, int length, int position)
    {
        for (int at = 0; at < length; at += Stamp.Bytes)
        {
            Add((int)((offset + (ulong)at) / Stamp.Bytes), Zeros, position);
        }
    }

    /// <summary>All before is durable from <paramref name="position"/> on.</summary>
    public void Flushed(int position)
    {
        foreach (int sector in _unsure)
        {
            foreach (ref Entry entry in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_written[sector]))
            {
                entry = entry with { Durable = Math.Min(entry.Durable, position) };
            }
        }
        _unsure.Clear();
    }

    /// <summary>Fails unless each sector reads as it was durable at that time, or as something newer that had been begun.</summary>
    public void RequirePossible(ReadOnlySpan<byte> content, int position, string what)
    {
        for (int sector = 0; sector < _first.Length; sector++)
        {
            ReadOnlySpan<byte> bytes = content.Slice(sector * Stamp.Bytes, Stamp.Bytes);
            ulong version = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
            bool whole = version == Zeros ? !bytes.ContainsAnyExcept((byte)0) : Stamp.Is(bytes, (ulong)sector, version & uint.MaxValue);
            if (!whole || !MayBe(sector, version, position))
            {
                Assert.Fail($"{what}: sector {sector} reads {Describe(bytes)}; it was {Told(sector, position)}");
            }
        }
    }

    private bool MayBe(int sector, ulong version, int position)
    {
        if (!_written.TryGetValue(sector, out List<Entry>? entries))
        {
            return version == _first[sector];
        }
        for (int i = entries.Count - 1; i >= 0; i--)
        {
            if (entries[i].Begun < position && entries[i].Version == version)
            {
                return true;
            }
            if (entries[i].Durable <= position)
            {
                return false;
            }
        }
        return false;
    }

    private string Told(int sector, int position) => string.Join(
        ", ", EntriesOf(sector).Where(e => e.Begun < position).Select(e => $"{e.Version}{(e.Durable <= position ? " (durable)" : "")}").TakeLast(6));

    private static string Describe(ReadOnlySpan<byte> bytes) =>
        bytes.ContainsAnyExcept((byte)0)
            ? $"version {System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..])} of sector {System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes)}"
            : "zeros";

    private List<Entry> EntriesOf(int sector)
    {
        if (!_written.TryGetValue(sector, out List<Entry>? entries))
        {
            entries = [new Entry(_first[sector], int.MinValue, int.MinValue)];
            _written.Add(sector, entries);
        }
        return entries;
    }

    private void Add(int sector, ulong version, int position)
    {
        EntriesOf(sector).Add(new Entry(version, position, int.MaxValue));
        _unsure.Add(sector);
    }

    /// <param name="Version">Of the stamp, or <see cref="Zeros"/>.</param>
    /// <param name="Begun">Position at which the write began.</param>
    /// <param name="Durable">Position from which on it is durable.</param>
    private readonly record struct Entry(ulong Version, int Begun, int Durable);
}
