// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

/// <summary>What was written to each sector of a disk, and when it became durable: says what may be there after a crash.</summary>
internal sealed class SectorHistory
{
    /// <summary>Stands for a sector of zeros.</summary>
    public const ulong Zeros = 0;

    private readonly List<Entry>[] _sectors;
    private readonly List<int> _unsure = [];
    private ulong _version = 1;

    /// <summary>Starts with what the disk reads now.</summary>
    public SectorHistory(byte[] content)
    {
        _sectors = [.. content.Chunk(Stamp.Bytes).Select((bytes, i) =>
            (List<Entry>)[new Entry(bytes.AsSpan().ContainsAnyExcept((byte)0) ? Stamp.VersionOf(bytes, (ulong)i) : Zeros, int.MinValue, int.MinValue)])];
    }

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
            foreach (ref Entry entry in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_sectors[sector]))
            {
                entry = entry with { Durable = Math.Min(entry.Durable, position) };
            }
        }
        _unsure.Clear();
    }

    /// <summary>Fails unless each sector reads as it was durable at that time, or as something newer that had been begun.</summary>
    public void RequirePossible(byte[] content, int position, string what)
    {
        for (int sector = 0; sector < _sectors.Length; sector++)
        {
            ReadOnlySpan<byte> bytes = content.AsSpan(sector * Stamp.Bytes, Stamp.Bytes);
            ulong version = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
            ReadOnlySpan<byte> whole = version == Zeros ? new byte[Stamp.Bytes] : Stamp.Of((ulong)sector, version & uint.MaxValue);
            if (!bytes.SequenceEqual(whole) || !MayBe(sector, version, position))
            {
                Assert.Fail($"{what}: sector {sector} reads {Describe(bytes)}; it was {Told(sector, position)}");
            }
        }
    }

    private bool MayBe(int sector, ulong version, int position)
    {
        List<Entry> entries = _sectors[sector];
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
        ", ", _sectors[sector].Where(e => e.Begun < position).Select(e => $"{e.Version}{(e.Durable <= position ? " (durable)" : "")}").TakeLast(6));

    private static string Describe(ReadOnlySpan<byte> bytes) =>
        bytes.ContainsAnyExcept((byte)0)
            ? $"version {System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..])} of sector {System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes)}"
            : "zeros";

    private void Add(int sector, ulong version, int position)
    {
        _sectors[sector].Add(new Entry(version, position, int.MaxValue));
        _unsure.Add(sector);
    }

    /// <param name="Version">Of the stamp, or <see cref="Zeros"/>.</param>
    /// <param name="Begun">Position at which the write began.</param>
    /// <param name="Durable">Position from which on it is durable.</param>
    private readonly record struct Entry(ulong Version, int Begun, int Durable);
}
