// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using Cow.Controller.Cli.Convert;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A target whose first write takes so long that everybody gets ahead of it as far as he may.</summary>
internal sealed class SlowTarget(int chunkBytes) : IConvertTarget
{
    private readonly ConcurrentDictionary<Slab, bool> _slabs = [];

    public int ChunkBytes => chunkBytes;

    /// <summary>Slabs that there were.</summary>
    public int Slabs => _slabs.Count;

    public int Written { get; private set; }

    public void Prepare(Slab slab) => _slabs[slab] = true;

    public void Write(Slab slab)
    {
        if (Written++ == 0)
        {
            Thread.Sleep(1000);
        }
    }

    public void Complete()
    {
    }

    public void Dispose()
    {
    }
}
