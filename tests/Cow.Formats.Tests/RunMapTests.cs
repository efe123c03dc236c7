// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

[TestFixture]
internal sealed class RunMapTests
{
    [Test]
    public void AnyHistoryIsThatOfASortedDictionary([Range(1, 10)] int seed)
    {
        Random random = new(seed);
        RunMap map = new();
        ulong?[] model = new ulong?[6000];
        for (int i = 0; i < 20_000; i++)
        {
            int key = random.Next(model.Length);
            int count = Math.Min(random.Next(1, 5), model.Length - key);
            // In half of the histories neighbours join, in the others they do not.
            ulong value = seed % 2 == 0 ? (ulong)key : (ulong)random.Next(1_000_000);
            if (model.AsSpan(key, count).IndexOfAnyExcept((ulong?)null) < 0)
            {
                map.Add((ulong)key, value, (ulong)count);
                for (int k = 0; k < count; k++)
                {
                    model[key + k] = value + (ulong)k;
                }
            }
            else if (model[key] is not null && random.Next(3) > 0)
            {
                map.TryAt((ulong)key, out MapRun run);
                count = (int)Math.Min((ulong)random.Next(1, 4), run.End - (ulong)key);
                map.Remove((ulong)key, (ulong)count);
                model.AsSpan(key, count).Clear();
            }
        }
        RequireSame(map, model);
    }

    /// <summary>The first run of a leaf among them.</summary>
    [Test]
    public void WhatIsAddedWhereTheFrontOfARunWasIsFound()
    {
        RunMap map = new();
        for (ulong i = 0; i < 300; i++)
        {
            map.Add(i * 10, i * 1000, 4);
        }
        for (ulong i = 0; i < 300; i++)
        {
            map.Remove(i * 10, 2);
            map.Add((i * 10) + 1, 1_000_000, 1);
            Assert.That(map.TryAt((i * 10) + 1, out MapRun run) && run.Value == 1_000_000, Is.True, $"run {i}");
        }
    }

    [Test]
    public void WhatIsTakenOutOfARangeIsAllOfItAndNoMore()
    {
        RunMap map = new();
        map.Add(10, 100, 4);
        map.Add(20, 500, 4);
        map.Add(30, 900, 4);
        ChunkRun range = new(12, 10);
        Assert.That(map.TryTakeOut(ref range, out MapRun taken), Is.True);
        Assert.That((taken.Key, taken.Value, taken.Count), Is.EqualTo((12UL, 102UL, 2U)));
        Assert.That(map.TryTakeOut(ref range, out taken), Is.True);
        Assert.That((taken.Key, taken.Value, taken.Count), Is.EqualTo((20UL, 500UL, 2U)));
        Assert.That(map.TryTakeOut(ref range, out _), Is.False);
        Assert.That(map.Keys(), Is.EqualTo(new ulong[] { 10, 11, 22, 23, 30, 31, 32, 33 }));
        range = new ChunkRun(34, ulong.MaxValue - 34);
        Assert.That(map.TryTakeOut(ref range, out _), Is.False);
    }

    [Test]
    public void RunsLongerThanARunCanBeAreSeveral()
    {
        RunMap map = new();
        map.Add(5, 100, 10_000_000_000);
        Assert.That(map.Total, Is.EqualTo(10_000_000_000));
        Assert.That(map.TryAt(9_999_999_999, out MapRun run), Is.True);
        Assert.That(run.ValueOf(9_999_999_999), Is.EqualTo(9_999_999_999 + 95));
        Assert.That(map.TryAtOrAfter(10_000_000_005, out _), Is.False);
    }

    [Test]
    public void MistakesAreRefused()
    {
        RunMap map = new();
        map.Add(10, 0, 5);
        Assert.That(() => map.Add(14, 0, 1), Throws.InvalidOperationException);
        Assert.That(() => map.Add(8, 0, 3), Throws.InvalidOperationException);
        Assert.That(() => map.Remove(9, 2), Throws.InvalidOperationException);
        Assert.That(() => map.Remove(14, 2), Throws.InvalidOperationException);
        Assert.That(() => map.Remove(100, 1), Throws.InvalidOperationException);
    }

    private static void RequireSame(RunMap map, ulong?[] model)
    {
        Assert.That(map.Total, Is.EqualTo((ulong)model.Count(v => v is not null)));
        for (int key = 0; key < model.Length; key++)
        {
            bool found = map.TryAtOrAfter((ulong)key, out MapRun run);
            int next = Array.FindIndex(model, key, v => v is not null);
            Assert.That(found, Is.EqualTo(next >= 0));
            if (found)
            {
                Assert.That(Math.Max(run.Key, (ulong)key), Is.EqualTo((ulong)next));
                Assert.That(run.ValueOf((ulong)next), Is.EqualTo(model[next]));
            }
        }
    }
}
