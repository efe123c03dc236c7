// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images;

/// <summary>A valid image that mutants are made of.</summary>
/// <param name="Variant">How it was made; of an image from elsewhere the backing format counts.</param>
/// <param name="Files">Its files by name; the image is called <see cref="ImageFixture.Image"/>.</param>
internal sealed record MutantSeed(ImageVariant Variant, IReadOnlyDictionary<string, byte[]> Files)
{
    private const int Sector = 512;

    /// <summary>Sectors that are read when the image is opened, looked up and checked, and that are not all zeros: where a change is felt.</summary>
    public IReadOnlyList<(string File, long Offset)> Metadata { get; private set; } = [];

    /// <summary>Learns <see cref="Metadata"/> from what <paramref name="use"/> reads.</summary>
    public MutantSeed Learn(string below, Action<MemoryFiles> use)
    {
        MemoryFiles files = new();
        List<Watched> watched = [];
        foreach ((string name, byte[] bytes) in Files)
        {
            watched.Add(new Watched(new MemoryImageFile([.. bytes], name)));
            files.Add(name, watched[^1]);
        }
        use(files);
        Metadata = [.. watched.Where(w => w.Name != below).SelectMany(w => w.Sectors(Files[w.Name]).Select(s => (w.Name, s)))];
        return this;
    }

    /// <summary>Makes the mutant that <paramref name="random"/> draws.</summary>
    public MemoryFiles Mutant(Random random)
    {
        Dictionary<string, PatchedFile> files = Files.ToDictionary(f => f.Key, f => new PatchedFile(f.Value, f.Key));
        for (int changes = random.Next(4) == 0 ? 3 : 1; changes > 0; changes--)
        {
            Change(files, random);
        }
        MemoryFiles all = new();
        foreach ((string name, PatchedFile file) in files)
        {
            all.Add(name, file);
        }
        return all;
    }

    /// <summary>Tells how a mutant differs, before it was used.</summary>
    public string Describe(MemoryFiles mutant)
    {
        List<string> changes = [];
        foreach ((string name, byte[] bytes) in Files)
        {
            byte[] now = mutant.Bytes(name);
            if (now.Length != bytes.Length)
            {
                changes.Add($"{name} has {now.Length} bytes instead of {bytes.Length}");
            }
            for (int at = 0; at < Math.Min(now.Length, bytes.Length) && changes.Count < 8; at += 8)
            {
                int part = Math.Min(8, Math.Min(now.Length, bytes.Length) - at);
                if (!now.AsSpan(at, part).SequenceEqual(bytes.AsSpan(at, part)))
                {
                    changes.Add($"{name} at {at}: {Convert.ToHexStringLower(bytes, at, part)} -> {Convert.ToHexStringLower(now, at, part)}");
                }
            }
        }
        return string.Join("; ", changes);
    }

    private void Change(Dictionary<string, PatchedFile> files, Random random)
    {
        (string name, long at) = Draw(random);
        PatchedFile file = files[name];
        if (at > file.Length - Sector)
        {
            return;
        }
        byte[] sector = new byte[Sector];
        file.ReadAt(sector, at);
        switch (random.Next(16))
        {
            case 0:
                file.SetLength(random.Next(2) == 0 ? random.NextInt64(file.Length + 1) : random.NextInt64((file.Length / Sector) + 1) * Sector);
                return;
            case 1:
                (string from, long other) = Draw(random);
                Array.Copy(Files[from], other, sector, 0, (int)Math.Min(Sector, Files[from].Length - other));
                break;
            case 2:
                sector.AsSpan(0, 1 << random.Next(3, 10)).Fill((byte)(random.Next(2) * 255));
                break;
            case 3:
                int a = random.Next(Sector / 8) * 8;
                int b = random.Next(Sector / 8) * 8;
                (ulong left, ulong right) = (ReadUInt64LittleEndian(sector.AsSpan(a)), ReadUInt64LittleEndian(sector.AsSpan(b)));
                WriteUInt64LittleEndian(sector.AsSpan(a), right);
                WriteUInt64LittleEndian(sector.AsSpan(b), left);
                break;
            case < 7:
                sector[Position(sector, random)] ^= (byte)(1 << random.Next(8));
                break;
            default:
                SetValue(sector, Position(sector, random), file.Length, random);
                break;
        }
        file.WriteAt(sector, at);
    }

    /// <summary>A metadata sector; the first one, a header, more often than others.</summary>
    private (string File, long Offset) Draw(Random random) => random.Next(4) == 0 ? Metadata[0] : Metadata[random.Next(Metadata.Count)];

    /// <summary>A byte of the sector, mostly one that says something.</summary>
    private static int Position(byte[] sector, Random random)
    {
        int start = random.Next(Sector);
        int next = random.Next(5) == 0 ? -1 : sector.AsSpan(start).IndexOfAnyExcept((byte)0);
        return start + Math.Max(0, next);
    }

    /// <summary>Puts an interesting number of 1 to 8 bytes there, of either byte order.</summary>
    private static void SetValue(byte[] sector, int position, long fileBytes, Random random)
    {
        int bits = 8 << random.Next(4);
        int at = position / (bits / 8) * (bits / 8);
        Span<byte> field = sector.AsSpan(at, bits / 8);
        bool big = random.Next(2) == 0;
        ulong now = Read(field, big);
        ulong value = random.Next(14) switch
        {
            0 => 0,
            1 => 1,
            2 => ulong.MaxValue,
            3 => 1UL << (bits - 1),
            4 => (1UL << (bits - 1)) - 1,
            5 => unchecked(now + 1),
            6 => unchecked(now - 1),
            7 => now << 1,
            8 => now >> 1,
            9 => now ^ (1UL << random.Next(bits)),
            10 => (ulong)fileBytes,
            11 => (ulong)fileBytes / Sector,
            12 => (ulong)random.NextInt64(fileBytes / Sector) * Sector,
            _ => (ulong)random.NextInt64(),
        };
        Write(field, big, value);
    }

    private static ulong Read(ReadOnlySpan<byte> field, bool big)
    {
        ulong value = 0;
        for (int i = 0; i < field.Length; i++)
        {
            value = (value << 8) | field[big ? i : field.Length - 1 - i];
        }
        return value;
    }

    private static void Write(Span<byte> field, bool big, ulong value)
    {
        for (int i = 0; i < field.Length; i++)
        {
            field[big ? field.Length - 1 - i : i] = unchecked((byte)(value >> (8 * i)));
        }
    }

    /// <summary>A file that remembers what was read of it.</summary>
    private sealed class Watched(MemoryImageFile inner) : IImageFile
    {
        private readonly HashSet<long> _read = [];

        public string Name => inner.Name;

        public long Length => inner.Length;

        public bool CanGrow => true;

        public IEnumerable<long> Sectors(byte[] bytes) =>
            _read.Order().Where(s => s + Sector <= bytes.Length && bytes.AsSpan((int)s, Sector).ContainsAnyExcept((byte)0));

        public void SetLength(long bytes) => inner.SetLength(bytes);

        public void ReadAt(Span<byte> buffer, long offset)
        {
            for (long at = offset / Sector * Sector; at < offset + buffer.Length; at += Sector)
            {
                _read.Add(at);
            }
            inner.ReadAt(buffer, offset);
        }

        public void WriteAt(ReadOnlySpan<byte> data, long offset) => inner.WriteAt(data, offset);

        public void Flush() => inner.Flush();

        public void Dispose()
        {
        }
    }
}
