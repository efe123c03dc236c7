// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Bench;

/// <summary>cowctl's map and convert against qemu-img's, with as many threads as there are processors.</summary>
/// <remarks>Both write in the order of the disk and keep blocks of 4 KiB of zeros out of a raw file, and both deflate with zlib's default level, a
/// window of 4 KiB and memory level 9. Only cowctl flushes the file at the end, which in memory costs nothing.</remarks>
/// <param name="cowctl">Path of cowctl.</param>
/// <param name="folder">Where images are made; best one in memory, since it is the programs that are compared and not the disk.</param>
internal sealed class ConvertRuns(string cowctl, string folder)
{
    private const int Chunk = 65536;

    /// <summary>Bytes of the disk that is converted as it is, and of the one that is compressed: so many that starting a program counts for little.</summary>
    private const long PlainBytes = 2L << 30;
    private const long PackedBytes = 192 << 20;

    private static readonly string Threads = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture);

    /// <summary>Runs all pairs.</summary>
    /// <param name="large">The image of which a map is made.</param>
    public IEnumerable<Bar> Run(string large)
    {
        yield return new CommandPair("map --json of 16 TiB", [cowctl, "map", large, "--json"], ["qemu-img", "map", "--output", "json", large]).Run(made: null);
        (string plain, string packed) = (In("plain.raw"), In("packed.raw"));
        MakeDisk(plain, PlainBytes);
        MakeDisk(packed, PackedBytes);
        foreach ((string disk, long bytes, bool compress) in ((string, long, bool)[])[(plain, PlainBytes, false), (packed, PackedBytes, true)])
        {
            string image = Path.ChangeExtension(disk, "qcow2");
            string name = compress ? "compressed qcow2" : "qcow2";
            yield return Pair($"convert {bytes >> 20} MiB raw to {name}", disk, "raw", "qcow2", compress).Run(In("made"));
            _ = CommandPair.Time(["qemu-img", "convert", .. compress ? (string[])["-c"] : [], "-f", "raw", "-O", "qcow2", disk, image], image);
            yield return Pair($"convert {bytes >> 20} MiB {name} to raw", image, "qcow2", "raw", compress: false).Run(In("made"));
        }
    }

    private CommandPair Pair(string name, string source, string from, string to, bool compress) => new(
        name,
        [cowctl, "convert", source, In("made"), "--source-format", from, "--format", to, "--threads", Threads, .. compress ? (string[])["--compress"] : []],
        ["qemu-img", "convert", "-m", Threads, "-f", from, "-O", to, .. compress ? (string[])["-c"] : [], source, In("made")]);

    private string In(string name) => Path.Combine(folder, name);

    /// <summary>A disk with what disks have: text, which halves, some that does not compress, and holes.</summary>
    private static void MakeDisk(string path, long bytes)
    {
        Random random = new(1);
        byte[][] words = [.. Enumerable.Range(0, 4000).Select(_ => Word(random))];
        byte[] chunk = new byte[Chunk];
        using FileStream file = new(path, FileMode.CreateNew);
        for (int i = 0; i < bytes / Chunk; i++)
        {
            if (i % 8 == 5)
            {
                random.NextBytes(chunk);
            }
            else
            {
                Fill(chunk, words, random);
            }
            file.Position = (long)i * Chunk;
            file.Write(i % 16 == 3 ? [] : chunk);
        }
        file.SetLength(bytes);
    }

    private static byte[] Word(Random random)
    {
        byte[] word = [.. Enumerable.Range(0, random.Next(3, 11)).Select(_ => (byte)random.Next('a', 'z' + 1))];
        word[^1] = (byte)' ';
        return word;
    }

    private static void Fill(byte[] chunk, byte[][] words, Random random)
    {
        for (int at = 0; at < chunk.Length;)
        {
            byte[] word = words[random.Next(words.Length)];
            int part = Math.Min(word.Length, chunk.Length - at);
            word.AsSpan(0, part).CopyTo(chunk.AsSpan(at));
            at += part;
        }
    }
}
