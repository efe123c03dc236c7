// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Qcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

[TestFixture]
internal sealed class ClusterCountsTests
{
    /// <summary>Far apart or next to each other, often or once, in order or in none, with metadata and without.</summary>
    [Test]
    public void AnyCountsAreThoseOfADictionary([Range(1, 12)] int seed)
    {
        Random random = new(seed);
        Qcow2Layout layout = new(new Qcow2Header { Version = 3, ClusterBits = 9, RefcountOrder = 4 });
        ClaimedClusters? claims = seed % 3 == 0 ? null : new("image", layout);
        ClusterCounts counts = new(claims);
        SortedDictionary<ulong, ulong> model = [];
        ulong apart = 1UL << random.Next(30);
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 2000; i++)
            {
                ulong cluster = (ulong)random.Next(500) * apart;
                if (i % 10 == 0 && claims is not null && claims.TryClaim(cluster << 9, 1024))
                {
                    model[cluster] = model.GetValueOrDefault(cluster) + 1;
                    model[cluster + 1] = model.GetValueOrDefault(cluster + 1) + 1;
                    continue;
                }
                uint references = seed % 2 == 0 ? (uint)random.Next(1, 300) : 1;
                counts.Add(cluster, references);
                model[cluster] = model.GetValueOrDefault(cluster) + references;
            }
            Assert.That(counts.Used().SelectMany(OneByOne), Is.EqualTo(model.Select(m => (m.Key, m.Value))));
            foreach (ulong cluster in model.Keys.Concat(model.Keys.Reverse()).Concat(model.Keys.Select(key => key + 9)))
            {
                Assert.That(counts[cluster], Is.EqualTo(model.GetValueOrDefault(cluster)));
            }
            Assert.That(counts.End(), Is.EqualTo(model.Keys.Last() + 1));
        }
    }

    [Test]
    public void ClaimsThatNothingElseCountsAreOneRun()
    {
        Qcow2Layout layout = new(new Qcow2Header { Version = 3, ClusterBits = 9, RefcountOrder = 4 });
        ClaimedClusters claims = new("image", layout);
        ClusterCounts counts = new(claims);
        claims.Claim(512 * 100, 512UL << 30, 0, "a table");
        counts.Add(150, 2);
        counts.Add(7);
        Assert.That(counts.Used(), Is.EqualTo(new[] { (7UL, 1UL, 1UL), (100UL, 50UL, 1UL), (150UL, 1UL, 3UL), (151UL, (1UL << 30) - 51, 1UL) }));
        Assert.That(counts.End(), Is.EqualTo((1UL << 30) + 100));
    }

    /// <summary>As many L1 tables do that all lie in one place.</summary>
    [Test]
    public void WhatIsCountedAgainAndAgainTakesNoMemory()
    {
        const int Clusters = 1000;
        ClusterCounts counts = new();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong i = 0; i < 2000 * Clusters; i++)
        {
            counts.Add(i % Clusters * 8);
        }
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(5 << 20));
        Assert.That(counts.Used().Select(used => used.Count), Is.EqualTo(Enumerable.Repeat(2000UL, Clusters)));
    }

    private static IEnumerable<(ulong Cluster, ulong Count)> OneByOne((ulong Cluster, ulong Length, ulong Count) used)
    {
        for (ulong i = 0; i < used.Length; i++)
        {
            yield return (used.Cluster + i, used.Count);
        }
    }

    [Test]
    public void ManyReferencesDoNotOverflow()
    {
        ClusterCounts counts = new();
        counts.Add(7, uint.MaxValue);
        counts.Add(900, 1);
        counts.Add(7, uint.MaxValue);
        Assert.That(counts[7], Is.EqualTo(2UL * uint.MaxValue));
        Assert.That(counts[6], Is.Zero);
    }
}
