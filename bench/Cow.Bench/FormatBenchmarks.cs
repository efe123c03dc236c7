// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Cow.Formats;

namespace Cow.Bench;

/// <summary>What the daemon does with an image of 16 TiB and a million clusters.</summary>
public class FormatBenchmarks
{
    /// <summary>Operations of one invocation.</summary>
    private const int Many = 4096;

    private static readonly ulong[] Near = LargeImage.Allocated(pages: 8, Many);
    private static readonly ulong[] Far = LargeImage.Allocated(pages: 2048, Many);

    private readonly List<PlacedRun> _uncommitted = new(4 * Many);
    private OpenedImage? _read;
    private OpenedImage? _written;
    private ulong _next;

    /// <summary>The image; it is not written.</summary>
    internal static string Image { get; set; } = "";

    /// <summary>Another one, which is.</summary>
    internal static string Scratch { get; set; } = "";

    [GlobalSetup(Targets = [nameof(LookupInPagesUsedLast), nameof(LookupInAnyCachedPage)])]
    public void OpenForReading()
    {
        _read = new OpenedImage(Image, writable: false);
        _ = Sum(Far);
        _ = Sum(Near);
    }

    [GlobalSetup(Target = nameof(Reserve))]
    public void OpenForWriting()
    {
        if (_written is null)
        {
            File.Delete(Scratch);
            LargeImage.Make(Scratch);
            _written = new OpenedImage(Scratch, writable: true);
            _next = 16;
            // The cache takes memory until it is full, which is not what reserving takes.
            foreach (ulong cluster in LargeImage.Allocated(pages: 16384, count: 65536))
            {
                _ = _written.Chain.Lookup(cluster, 1);
            }
        }
    }

    [GlobalCleanup]
    public void Close()
    {
        _read?.Dispose();
        _written?.Dispose();
        (_read, _written) = (null, null);
    }

    [Benchmark(OperationsPerInvoke = Many)]
    public ulong LookupInPagesUsedLast() => Sum(Near);

    [Benchmark(OperationsPerInvoke = Many)]
    public ulong LookupInAnyCachedPage() => Sum(Far);

    /// <summary>What was reserved is committed, as the daemon does now and then: that is not reserving.</summary>
    [IterationSetup(Target = nameof(Reserve))]
    public void Commit()
    {
        _written!.Chain.Commit(CollectionsMarshal.AsSpan(_uncommitted));
        _uncommitted.Clear();
    }

    [Benchmark(OperationsPerInvoke = Many)]
    public void Reserve()
    {
        for (int i = 0; i < Many; i++)
        {
            Allocation answer = _written!.Chain.Allocate(new ChunkRun(_next, 1));
            _uncommitted.Add(answer.Placed);
            // Hole after hole between the runs that the image has.
            _next += _next % 128 == 127 ? 17UL : 1UL;
        }
    }

    [Benchmark]
    public ulong Open()
    {
        using OpenedImage opened = new(Image, writable: false);
        return opened.Chain.Lookup(0, 1).Place.Sector;
    }

    [Benchmark]
    public ulong OpenWritable()
    {
        using OpenedImage opened = new(Scratch, writable: true);
        return opened.Chain.Lookup(0, 1).Place.Sector;
    }

    private ulong Sum(ulong[] clusters)
    {
        ulong sum = 0;
        foreach (ulong cluster in clusters)
        {
            sum += _read!.Chain.Lookup(cluster, 1).Place.Sector;
        }
        return sum;
    }
}
