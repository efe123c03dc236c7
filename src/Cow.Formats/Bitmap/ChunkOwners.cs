// SPDX-License-Identifier: MIT
using System.Buffers.Binary;
using System.Numerics;

namespace Cow.Formats.Bitmap;

/// <summary>Who owns each chunk of a disk: a number from 0, which all begin with, to one that is known beforehand. Takes as few bits for each chunk as
/// these need, a power of two: one where a store has no layers.</summary>
internal sealed class ChunkOwners
{
    private const int WordBits = 64;

    private readonly ulong[] _words;
    private readonly int _bits;
    private readonly int _perWord;
    private readonly ulong _mask;

    /// <param name="chunks">Chunks of the disk.</param>
    /// <param name="most">The highest owner: 1 to 255.</param>
    public ChunkOwners(ulong chunks, int most)
    {
        Chunks = chunks;
        _bits = (int)BitOperations.RoundUpToPowerOf2((uint)BitOperations.Log2((uint)most) + 1);
        _perWord = WordBits / _bits;
        _mask = (1UL << _bits) - 1;
        // Whole sectors of a bitmap.
        ulong sectors = ((chunks - 1) / BitmapFile.SectorBits) + 1;
        _words = new ulong[sectors * (BitmapFile.SectorBits / (ulong)_perWord)];
    }

    /// <summary>Chunks of the disk.</summary>
    public ulong Chunks { get; }

    /// <summary>The owner of a chunk.</summary>
    public int Of(ulong chunk) => (int)((_words[WordOf(chunk, out int shift)] >> shift) & _mask);

    /// <summary>How many chunks from one on have the same owner.</summary>
    /// <param name="chunk">The first.</param>
    /// <param name="limit">No more; they must be on the disk.</param>
    public ulong RunAt(ulong chunk, ulong limit)
    {
        ulong same = Everywhere(Of(chunk));
        int first = WordOf(chunk, out int shift);
        ulong others = (_words[first] ^ same) >> shift;
        if (others != 0)
        {
            return Math.Min(limit, (ulong)(BitOperations.TrailingZeroCount(others) / _bits));
        }
        ulong run = (ulong)((WordBits - shift) / _bits);
        if (run >= limit)
        {
            return limit;
        }
        ReadOnlySpan<ulong> rest = _words.AsSpan(first + 1, WordOf(chunk + limit - 1, out _) - first);
        int whole = rest.IndexOfAnyExcept(same);
        int odd = whole < 0 ? 0 : BitOperations.TrailingZeroCount(rest[whole] ^ same) / _bits;
        return Math.Min(limit, run + ((ulong)(whole < 0 ? rest.Length : whole) * (ulong)_perWord) + (ulong)odd);
    }

    /// <summary>Gives chunks an owner.</summary>
    public void Fill(ulong chunk, ulong count, int owner)
    {
        ulong all = Everywhere(owner);
        int word = WordOf(chunk, out int shift);
        for (ulong end = chunk + count; chunk < end; word++, shift = 0)
        {
            int here = (int)Math.Min(end - chunk, (ulong)((WordBits - shift) / _bits));
            ulong mask = ulong.MaxValue >> (WordBits - (here * _bits)) << shift;
            _words[word] = (_words[word] & ~mask) | (all & mask);
            chunk += (ulong)here;
        }
    }

    /// <summary>Gives an owner to the chunks whose bits are set.</summary>
    /// <param name="chunk">That of the first bit; a multiple of 64.</param>
    /// <param name="bits">Whole words.</param>
    /// <param name="owner">Not 0.</param>
    public void Mark(ulong chunk, ReadOnlySpan<byte> bits, int owner)
    {
        for (; !bits.IsEmpty; bits = bits[sizeof(ulong)..], chunk += WordBits)
        {
            ulong set = BinaryPrimitives.ReadUInt64LittleEndian(bits);
            if (_bits == 1)
            {
                _words[chunk / WordBits] |= set;
                continue;
            }
            while (set != 0)
            {
                int first = BitOperations.TrailingZeroCount(set);
                int count = BitOperations.TrailingZeroCount(~(set >> first));
                Fill(chunk + (ulong)first, (ulong)count, owner);
                set &= ~(ulong.MaxValue >> (WordBits - count) << first);
            }
        }
    }

    /// <summary>A bit for each chunk, set where it has the owner.</summary>
    /// <param name="chunk">That of the first bit; a multiple of 64.</param>
    /// <param name="bits">Receives whole words, not beyond the last sector of the bitmap.</param>
    /// <param name="owner">Not 0.</param>
    public void Copy(ulong chunk, Span<byte> bits, int owner)
    {
        for (; !bits.IsEmpty; bits = bits[sizeof(ulong)..], chunk += WordBits)
        {
            ulong set = _bits == 1 ? _words[chunk / WordBits] : 0;
            for (int i = 0; _bits > 1 && i < WordBits; i++)
            {
                set |= Of(chunk + (ulong)i) == owner ? 1UL << i : 0;
            }
            BinaryPrimitives.WriteUInt64LittleEndian(bits, set);
        }
    }

    /// <summary>How many chunks have an owner.</summary>
    /// <param name="owner">Not 0.</param>
    public ulong Count(int owner)
    {
        ulong same = Everywhere(owner);
        ulong count = 0;
        foreach (ulong word in _words)
        {
            ulong other = word ^ same;
            for (int half = _bits / 2; half > 0; half /= 2)
            {
                other |= other >> half;
            }
            count += (ulong)(_perWord - BitOperations.PopCount(other & Everywhere(1)));
        }
        return count;
    }

    /// <summary>Whether every chunk has the same owner there.</summary>
    public bool IsSame(ChunkOwners other) => Chunks == other.Chunks && _words.AsSpan().SequenceEqual(other._words);

    private ulong Everywhere(int owner) => ulong.MaxValue / _mask * (ulong)owner;

    private int WordOf(ulong chunk, out int shift)
    {
        shift = (int)(chunk % (ulong)_perWord) * _bits;
        return (int)(chunk / (ulong)_perWord);
    }
}
