// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>The pair of headers: one is written while the other counts.</summary>
internal sealed class VhdxHeaders
{
    private readonly CachedFile _file;
    private int _slot;

    private VhdxHeaders(CachedFile file, VhdxHeader current, int slot, bool bothGood)
    {
        _file = file;
        Current = current;
        _slot = slot;
        BothGood = bothGood;
    }

    /// <summary>The header that counts.</summary>
    public VhdxHeader Current { get; private set; }

    /// <summary>Byte offset of it.</summary>
    public long At => VhdxFormat.HeadersAt[_slot];

    /// <summary>Whether the other one was good too when they were read.</summary>
    public bool BothGood { get; }

    /// <summary>Reads both, chooses one, and holds its log against the length of the file.</summary>
    /// <exception cref="ImageFormatException">None is good, or two are equally new and differ, or the one that counts cannot be.</exception>
    public static VhdxHeaders Read(CachedFile file)
    {
        RequireMagic(file);
        VhdxHeader?[] read = [ReadOne(file, 0), ReadOne(file, 1)];
        if (read[0] is { } first && read[1] is { } second && first.Sequence == second.Sequence && !first.Raw.SequenceEqual(second.Raw))
        {
            throw new ImageFormatException(file.Name, VhdxFormat.HeadersAt[1] + 8, "two equal headers, or one that is newer", $"sequence number {first.Sequence} in both, which differ");
        }
        int slot = read[1] is null || (read[0] is not null && read[0]!.Sequence >= read[1]!.Sequence) ? 0 : 1;
        VhdxHeader current = read[slot] ?? throw new ImageFormatException(file.Name, VhdxFormat.HeadersAt[0], "a header with its signature and checksum, here or at the second place", "none");
        VhdxHeaders headers = new(file, current, slot, read[0] is not null && read[1] is not null);
        headers.Validate();
        return headers;
    }

    /// <summary>Makes these ids current, durably, in both headers: one after the other, so that one is good whenever power fails.</summary>
    public void Update(Guid fileWriteId, Guid dataWriteId, Guid logId)
    {
        for (int i = 0; i < 2; i++)
        {
            VhdxHeader next = Current.With(fileWriteId, dataWriteId, logId);
            _file.WriteAt(next.Raw, VhdxFormat.HeadersAt[1 - _slot]);
            _file.Flush();
            Current = next;
            _slot = 1 - _slot;
        }
    }

    private static VhdxHeader? ReadOne(CachedFile file, int slot)
    {
        byte[] bytes = new byte[VhdxFormat.Page];
        file.ReadAt(bytes, VhdxFormat.HeadersAt[slot]);
        return VhdxHeader.TryParse(bytes);
    }

    private static void RequireMagic(CachedFile file)
    {
        Expect.NotEndless(file);
        if (file.Length < VhdxFormat.Megabyte)
        {
            throw new ImageFormatException(file.Name, 0, "a file of at least 1 MiB, which the headers take", $"{file.Length} bytes");
        }
        Span<byte> magic = stackalloc byte[8];
        file.ReadAt(magic, 0);
        if (!magic.SequenceEqual(VhdxFormat.FileMagic))
        {
            throw new ImageFormatException(file.Name, 0, "the magic vhdxfile", Convert.ToHexString(magic));
        }
    }

    private void Validate()
    {
        VhdxHeader header = Current;
        if (header.Version != 1 || header.LogVersion != 0)
        {
            throw new ImageFormatException(_file.Name, At + 64, "version 1 of VHDX with version 0 of its log", $"{header.Version} and {header.LogVersion}");
        }
        if (header.LogLength == 0)
        {
            throw new ImageFormatException(_file.Name, At + 68, header.LogId == Guid.Empty ? "a log" : "a log, which must be played back", "a log of no bytes");
        }
        bool aligned = header.LogLength % VhdxFormat.Megabyte == 0 && header.LogOffset % (ulong)VhdxFormat.Megabyte == 0;
        bool inside = header.LogOffset >= (ulong)VhdxFormat.Megabyte && header.LogOffset <= (ulong)_file.Length && header.LogLength <= (ulong)_file.Length - header.LogOffset;
        if (!aligned || !inside)
        {
            throw new ImageFormatException(_file.Name, At + 68, $"a log in whole megabytes, on one, inside the file of {_file.Length} bytes", $"{header.LogLength} bytes at {header.LogOffset}");
        }
    }
}
