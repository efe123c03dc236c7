// SPDX-License-Identifier: MIT
using Cow.Formats.Bitmap;

namespace Cow.Formats.Tests.Bitmap;

[TestFixture]
internal sealed class ChunkOwnersTests
{
    /// <summary>A byte for each chunk is the model.</summary>
    [Test]
    public void ItIsAnArrayOfOwners([Values(1, 2, 3, 4, 15, 16, 255)] int most, [Values(1, 64, 4096, 5000)] int chunks)
    {
        Random random = new((most * 10_000) + chunks);
        ChunkOwners owners = new((ulong)chunks, most);
        byte[] model = new byte[chunks];
        for (int round = 0; round < 200; round++)
        {
            int from = random.Next(chunks);
            int count = random.Next(1, Math.Min(300, chunks - from) + 1);
            int owner = random.Next(most + 1);
            owners.Fill((ulong)from, (ulong)count, owner);
            model.AsSpan(from, count).Fill((byte)owner);
            RequireRun(owners, model, random.Next(chunks), random);
        }
        int last = random.Next(1, most + 1);
        byte[] bits = RandomBits(random, chunks);
        owners.Mark(0, bits, last);
        for (int i = 0; i < chunks; i++)
        {
            model[i] = (bits[i / 8] >> (i % 8) & 1) != 0 ? (byte)last : model[i];
        }
        for (int i = 0; i < chunks; i++)
        {
            RequireRun(owners, model, i, random);
        }
        Assert.That(owners.Count(last), Is.EqualTo(model.Count(owner => owner == last)));
        byte[] copy = new byte[bits.Length];
        owners.Copy(0, copy, last);
        Assert.That(Enumerable.Range(0, chunks).Where(i => (copy[i / 8] >> (i % 8) & 1) != (model[i] == last ? 1 : 0)), Is.Empty);
    }

    [Test]
    public void OneOtherOwnerIsADifference()
    {
        ChunkOwners one = new(100_000, 3);
        ChunkOwners other = new(100_000, 3);
        Assert.That(one.IsSame(other), Is.True);
        other.Fill(99_999, 1, 2);
        Assert.That(one.IsSame(other), Is.False);
    }

    private static void RequireRun(ChunkOwners owners, byte[] model, int chunk, Random random)
    {
        int limit = random.Next(1, model.Length - chunk + 1);
        int other = model.AsSpan(chunk, limit).IndexOfAnyExcept(model[chunk]);
        Assert.That((owners.Of((ulong)chunk), owners.RunAt((ulong)chunk, (ulong)limit)), Is.EqualTo(((int)model[chunk], (ulong)(other < 0 ? limit : other))));
    }

    /// <summary>Whole sectors of a bitmap, without bits behind the last chunk.</summary>
    private static byte[] RandomBits(Random random, int chunks)
    {
        byte[] bits = new byte[(chunks + 4095) / 4096 * 512];
        random.NextBytes(bits);
        for (int i = chunks; i < bits.Length * 8; i++)
        {
            bits[i / 8] &= (byte)(0xff ^ (1 << (i % 8)));
        }
        return bits;
    }
}
