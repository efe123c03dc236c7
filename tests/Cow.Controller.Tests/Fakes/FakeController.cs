// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A real engine in a real loop over a real format, attached to the fake kernel; only its thread is the test's.</summary>
#pragma warning disable CA1001 // A killed controller closes nothing.
internal sealed class FakeController
{
    private readonly FaultLoop _loop;

    public FakeController(FakeKernel kernel, string format, bool create, bool waitForSpace, params MemoryDisk[] disks)
        : this(kernel, format, create, waitForSpace, grants: false, disks)
    {
    }

    public FakeController(FakeKernel kernel, string format, bool create, bool waitForSpace, bool grants, params MemoryDisk[] disks)
    {
        var store = new KillableFile(disks[1], Switch);
        ulong bytes = kernel.Sectors * MemoryDisk.SectorBytes;
        bool image = FormatRegistry.Find(format) is null;
        Format = image ? new FakeImage(format, store, disks[0]).Open(create, bytes) : OpenStore(format, store, create, bytes, (uint)kernel.ChunkSectors);
        var geometry = new ChunkGeometry(kernel.Sectors, kernel.ChunkSectors);
        // Of an image the base is a layer of its own.
        var indices = new DeviceIndices(0, image ? 0 : -1);
        Space = new FakeSpace(store);
        Engine = new CowEngine(Format, geometry, indices, Space, NullLogger.Instance) { WaitForSpace = waitForSpace };
        Engine.Grants.Serve(grants ? CowFeatures.Grant : CowFeatures.None);
        // Opened before the channel is taken, as recovery does: the picture is adopted on top of what is on disk.
        Format.Flush();
        var options = new FaultLoopOptions("fake", geometry, indices, FakeKernel.Generation, CowFeatures.Load, !image && !kernel.Known, TimeSpan.FromHours(1));
        _loop = new FaultLoop(kernel.Attach(Switch, grants), Engine, Format, options, NullLogger.Instance);
    }

    public KillSwitch Switch { get; } = new();

    public ICowFormat Format { get; }

    public CowEngine Engine { get; }

    public FakeSpace Space { get; }

    public bool Loaded => _loop.Loaded.IsCompleted;

    public Task<T> Ask<T>(Func<CowEngine, ReplyBuffer, T> job) => _loop.Ask(job);

    /// <summary>One round of the loop, and what it replied. A killed controller does nothing.</summary>
    public void Turn()
    {
        if (Switch.Dead)
        {
            return;
        }

        try
        {
            _loop.Turn();
            _loop.Send();
        }
        catch (IOException) when (Switch.Dead)
        {
            // Killed in the middle; the kernel sees the file closed when the successor attaches.
        }
    }

    public void Turns(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Turn();
        }
    }

    private static ICowFormat OpenStore(string format, KillableFile store, bool create, ulong bytes, uint chunkSectors)
    {
        IFormatDriver driver = FormatRegistry.Find(format)!;
        return create
            ? driver.Create(new FormatFiles(store), new CreateOptions(bytes, chunkSectors))
            : driver.Open(new FormatFiles(store), new OpenOptions(bytes, chunkSectors, ReadOnly: false));
    }
}
