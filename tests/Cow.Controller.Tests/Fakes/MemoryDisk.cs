// SPDX-License-Identifier: MIT
using System.Buffers.Binary;
using Cow.Formats.Io;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A disk with a volatile write cache: data and metadata share it, and a power cut keeps any subset of the sectors that were not flushed.</summary>
internal sealed class MemoryDisk : IImageFile
{
    public const int SectorBytes = 512;

    private readonly byte[] _now;
    private readonly byte[] _durable;
    private readonly Dictionary<long, List<byte[]>> _unflushed = [];

    public MemoryDisk(string name, long bytes)
    {
        Name = name;
        _now = new byte[bytes];
        _durable = new byte[bytes];
    }

    private MemoryDisk(string name, byte[] content)
    {
        Name = name;
        _now = content;
        _durable = [.. content];
    }

    /// <summary>A disk that holds something: the token of its first sector, and of each other one the next.</summary>
    public static MemoryDisk Stamped(string name, ulong sectors, ulong firstToken)
    {
        var disk = new MemoryDisk(name, (long)sectors * SectorBytes);
        for (ulong sector = 0; sector < sectors; sector++)
        {
            disk.Stamp(sector, firstToken + sector, sector);
        }

        disk.Flush();
        return disk;
    }

    public string Name { get; }

    public long Length => _now.Length;

    /// <summary>Every write and flush fails from now on.</summary>
    public bool Broken { get; set; }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        if (offset < 0 || offset + buffer.Length > _now.Length)
        {
            throw new IOException($"{Name}: read at {offset} beyond the end");
        }

        _now.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        if (Broken || offset < 0 || offset + data.Length > _now.Length)
        {
            throw new IOException($"{Name}: write at {offset} failed");
        }

        data.CopyTo(_now.AsSpan((int)offset));
        long last = (offset + data.Length - 1) / SectorBytes;
        for (long sector = offset / SectorBytes; sector <= last; sector++)
        {
            if (!_unflushed.TryGetValue(sector, out List<byte[]>? versions))
            {
                _unflushed[sector] = versions = [];
            }

            versions.Add(_now.AsSpan((int)(sector * SectorBytes), SectorBytes).ToArray());
        }
    }

    /// <summary>Fills a sector with a token, and with the sector of the device that it belongs to.</summary>
    public void Stamp(ulong at, ulong token, ulong sector)
    {
        Span<byte> bytes = stackalloc byte[SectorBytes];
        bytes.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, token);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], sector);
        WriteAt(bytes, (long)at * SectorBytes);
    }

    public void Flush() => EndFlush(BeginFlush());

    /// <summary>What a flush that begins now makes durable: the versions of this moment, not what is written while it runs.</summary>
    public Dictionary<long, int> BeginFlush() => _unflushed.ToDictionary(pair => pair.Key, pair => pair.Value.Count);

    public void EndFlush(Dictionary<long, int> begun)
    {
        if (Broken)
        {
            throw new IOException($"{Name}: flush failed");
        }

        foreach ((long sector, int count) in begun)
        {
            // Another flush may have ended meanwhile, and taken some versions of these with it: then fewer are left than had begun.
            if (_unflushed.TryGetValue(sector, out List<byte[]>? versions))
            {
                int taken = Math.Min(count, versions.Count);
                versions[taken - 1].CopyTo(_durable.AsSpan((int)(sector * SectorBytes)));
                versions.RemoveRange(0, taken);
                if (versions.Count == 0)
                {
                    _ = _unflushed.Remove(sector);
                }
            }
        }
    }

    /// <summary>What a power cut leaves: of every sector the flushed content, or any of the versions written since.</summary>
    public MemoryDisk AfterPowerCut(Random random)
    {
        byte[] left = [.. _durable];
        foreach ((long sector, List<byte[]> versions) in _unflushed.OrderBy(pair => pair.Key))
        {
            int version = random.Next(versions.Count + 1);
            if (version > 0)
            {
                versions[version - 1].CopyTo(left.AsSpan((int)(sector * SectorBytes)));
            }
        }

        return new MemoryDisk(Name, left);
    }

    public void Dispose()
    {
    }
}
