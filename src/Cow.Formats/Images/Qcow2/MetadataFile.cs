// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// The image file as its metadata sees it: single entries are read and changed, whole sectors are written.
/// </summary>
/// <remarks>Changes to one sector are gathered until another sector is changed, or <see cref="Finish"/> or <see cref="Flush"/> is called. They
/// reach the file in the order in which the sectors were left.</remarks>
internal sealed class MetadataFile(CachedFile file)
{
    /// <summary>Bytes that a disk writes whole or not at all.</summary>
    public const int SectorBytes = 512;

    /// <summary>Words of a table that are read at once.</summary>
    private const ulong BatchWords = 8192;

    private readonly byte[] _sector = new byte[SectorBytes];
    private ulong _sectorAt = ulong.MaxValue;
    private bool _changed;
    private ulong _length;

    public string Name => file.Name;

    public bool CanGrow => file.CanGrow;

    /// <summary>Past the cache.</summary>
    public IImageFile Data => file.Uncached;

    /// <summary>Bytes in the file now.</summary>
    public ulong Length => _length = (ulong)file.Length;

    /// <summary>Whether the file reaches behind this byte. Asks the file only when what is known does not suffice: it never shrinks under us.</summary>
    public bool Reaches(ulong offset) => offset < _length || offset < Length;

    /// <summary>Fills from the file; zeros behind its end.</summary>
    /// <exception cref="ImageFormatException">It begins behind the end.</exception>
    public void Read(Span<byte> buffer, ulong offset)
    {
        if (IsChanged(offset, buffer.Length))
        {
            Finish();
        }
        ulong end = offset + (ulong)buffer.Length;
        if (end > _length && end > Length)
        {
            if (offset >= _length)
            {
                throw new ImageFormatException(Name, (long)Math.Min(offset, long.MaxValue), $"metadata inside the file, which has {_length} bytes", $"{buffer.Length} bytes at {offset}");
            }
            int present = (int)(_length - offset);
            buffer[present..].Clear();
            buffer = buffer[..present];
        }
        file.ReadAt(buffer, (long)offset);
    }

    /// <summary>Whether a range that begins inside the file is nothing but a hole, as far as the file reaches: zeros.</summary>
    public bool IsHole(ulong offset, ulong length)
    {
        ulong data = NextData(offset);
        return data >= offset + length || (data > offset && data >= Length);
    }

    /// <summary>As <see cref="IImageFile.NextData"/>; what is gathered is data, and so is all behind the end.</summary>
    public ulong NextData(ulong offset)
    {
        ulong next = Reaches(offset) ? (ulong)file.NextData((long)offset) : offset;
        return _changed && offset < _sectorAt + SectorBytes ? Math.Min(next, Math.Max(_sectorAt, offset)) : next;
    }

    /// <summary>Goes through the words of a table that are not 0, past the cache and past the holes of the file.</summary>
    /// <param name="offset">Where the table is: inside the file.</param>
    /// <param name="entries">Its words.</param>
    /// <param name="visit">Gets the number of a word, and the word.</param>
    public void ForEachWord(ulong offset, ulong entries, Action<ulong, ulong> visit)
    {
        for (ulong from = 0; from < entries;)
        {
            ulong hole = WordsOfHole(offset + (from * sizeof(ulong)));
            if (hole > 0)
            {
                from += hole;
                continue;
            }
            ulong count = Math.Min(entries - from, BatchWords);
            Visit(ReadTable(offset + (from * sizeof(ulong)), count), from, visit);
            from += count;
        }
    }

    /// <summary>How many words from one inside the file on are 0 because the file has a hole.</summary>
    public ulong WordsOfHole(ulong offset) => (NextData(offset) - offset) / sizeof(ulong);

    public ulong Read64(ulong offset) =>
        !IsChanged(offset, sizeof(ulong)) && file.TryReadWord(offset, out ulong word) ? word : ReadUncommonWord(offset);

    public uint Read32(ulong offset)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        Read(bytes, offset);
        return ReadUInt32BigEndian(bytes);
    }

    /// <summary>A name.</summary>
    public string ReadText(ulong offset, int length) => Encoding.UTF8.GetString(ReadName(offset, length));

    /// <summary>The bytes of a name; NUL in it is refused, since other readers end it there.</summary>
    public byte[] ReadName(ulong offset, int length)
    {
        byte[] bytes = length == 0 ? [] : new byte[length];
        Read(bytes, offset);
        return bytes.Contains((byte)0) ? throw new ImageFormatException(Name, (long)offset, "a name without NUL", "one with it") : bytes;
    }

    /// <summary>Holds that a table of words is inside the file.</summary>
    public void RequireTable(ulong offset, ulong entries)
    {
        if (entries > 0 && (offset > Length || entries * sizeof(ulong) > _length - offset))
        {
            throw new ImageFormatException(Name, (long)Math.Min(offset, long.MaxValue), $"a table inside the file, which has {_length} bytes", $"{entries} entries at {offset}");
        }
    }

    /// <summary>Reads a table of big-endian words, past the cache.</summary>
    public ulong[] ReadTable(ulong offset, ulong entries)
    {
        RequireTable(offset, entries);
        ulong[] table = new ulong[entries];
        Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.AsSpan());
        if (entries > 0)
        {
            Finish();
            file.Uncached.ReadAt(bytes, (long)offset);
            ReverseEndianness(table, table);
        }
        return table;
    }

    /// <summary>Writes a table of big-endian words, filled up to whole sectors.</summary>
    public void WriteTable(ulong[] table, ulong offset)
    {
        byte[] bytes = new byte[((table.Length * sizeof(ulong)) + SectorBytes - 1) & -SectorBytes];
        ReverseEndianness(table, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bytes.AsSpan())[..table.Length]);
        Write(bytes, offset);
    }

    /// <summary>The sector that holds a byte, to be changed.</summary>
    public Span<byte> Change(ulong offset)
    {
        ulong at = offset & ~(SectorBytes - 1UL);
        if (at != _sectorAt || !_changed)
        {
            Finish();
            int present = Reaches(at + SectorBytes - 1) ? SectorBytes : (int)(Math.Max(at, _length) - at);
            _sector.AsSpan(present).Clear();
            file.ReadAt(_sector.AsSpan(0, present), (long)at);
            (_sectorAt, _changed) = (at, true);
        }
        return _sector;
    }

    public void Patch64(ulong offset, ulong value) => WriteUInt64BigEndian(Change(offset)[(int)(offset % SectorBytes)..], value);

    public void Patch32(ulong offset, uint value) => WriteUInt32BigEndian(Change(offset)[(int)(offset % SectorBytes)..], value);

    /// <summary>Writes whole sectors.</summary>
    public void Write(ReadOnlySpan<byte> sectors, ulong offset)
    {
        Finish();
        file.WriteAt(sectors, (long)offset);
    }

    /// <summary>Gives the gathered changes to the file.</summary>
    public void Finish()
    {
        if (_changed)
        {
            _changed = false;
            file.WriteAt(_sector, (long)_sectorAt);
        }
    }

    /// <summary>Cuts the file behind a byte.</summary>
    public void Cut(ulong length) => SetLength(length);

    /// <summary>Makes the file longer, with zeros.</summary>
    public void Extend(ulong length) => SetLength(length);

    /// <summary>All that was written so far is durable on return.</summary>
    public void Flush()
    {
        Finish();
        file.Flush();
    }

    private void SetLength(ulong length)
    {
        Finish();
        file.SetLength((long)length);
        _length = length;
    }

    private static void Visit(ReadOnlySpan<ulong> words, ulong first, Action<ulong, ulong> visit)
    {
        for (int i = 0; i < words.Length; i++)
        {
            int next = words[i..].IndexOfAnyExcept(0UL);
            if (next < 0)
            {
                return;
            }
            i += next;
            visit(first + (ulong)i, words[i]);
        }
    }

    /// <summary>Whether any of these bytes were changed, and the file does not have it yet.</summary>
    private bool IsChanged(ulong offset, int count) => _changed && offset < _sectorAt + SectorBytes && offset + (ulong)count > _sectorAt;

    private ulong ReadUncommonWord(ulong offset)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        Read(bytes, offset);
        return ReadUInt64BigEndian(bytes);
    }
}
