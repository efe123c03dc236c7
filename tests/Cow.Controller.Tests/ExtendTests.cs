// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.DmIoctl.Tests;
using Microsoft.Win32.SafeHandles;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>How long a CoW file may become, with loop devices.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[Category("Root")]
internal sealed class ExtendTests : IDisposable
{
    private const long Bytes = 1 << 20;

    private readonly string _directory = Directory.CreateTempSubdirectory("cow").FullName;
    private readonly List<LoopDevice> _loops = [];

    public void Dispose()
    {
        foreach (LoopDevice loop in _loops)
        {
            loop.Detach();
            loop.Dispose();
        }

        Directory.Delete(_directory, recursive: true);
    }

    [TestCase(4096u, Bytes + 4096, true)]
    [TestCase(4096u, Bytes + 512, false)]
    [TestCase(512u, Bytes + 512, true)]
    public void AFileIsExtendedByWholeBlocksOfItsDevice(uint blockOfBase, long bytes, bool may)
    {
        DeviceState state = Device(blockOfBase);
        Judge(() => DeviceRuntime.Extend(state, bytes), may);
        Assert.That(new FileInfo(state.Spec.Cow).Length, Is.EqualTo(may ? bytes : Bytes));
        Assert.That(SizeOf(state.CowDevice), Is.EqualTo(may ? bytes : Bytes));
    }

    [TestCase(Bytes + 4096 + 511, true)]
    [TestCase(Bytes + 4096 + 512, false)]
    public void OneThatSomebodyExtendedIsTakenByWholeBlocks(long bytes, bool may)
    {
        DeviceState state = Device(blockOfBase: 4096);
        using (var file = new FileStream(state.Spec.Cow, FileMode.Open))
        {
            file.SetLength(bytes);
        }

        Judge(() => DeviceRuntime.Extend(state, bytes: null), may);
        Assert.That(SizeOf(state.CowDevice), Is.EqualTo(may ? Bytes + 4096 : Bytes));
    }

    [Test]
    public void AnotherFileThatHasTheNameIsLeftAlone()
    {
        DeviceState state = Device(blockOfBase: 512);
        string cow = state.Spec.Cow;
        state = state with { Parts = [PartIdentity.Find(cow)!] };
        File.Move(cow, cow + ".old");
        Failure gone = Assert.Throws<RefusedException>(() => DeviceRuntime.Extend(state, 2 * Bytes))!.Failure;
        Assert.That((gone.Code, gone.Object), Is.EqualTo((ExitCode.BadStore, cow)));
        File.WriteAllBytes(cow, new byte[4096]);
        Failure other = Assert.Throws<RefusedException>(() => DeviceRuntime.Extend(state, 2 * Bytes))!.Failure;
        Assert.That(other, Is.EqualTo(gone));
        Assert.That(new FileInfo(cow).Length, Is.EqualTo(4096));
        Assert.That(new FileInfo(cow + ".old").Length, Is.EqualTo(Bytes));
        File.Move(cow + ".old", cow, overwrite: true);
        DeviceRuntime.Extend(state, 2 * Bytes);
        Assert.That(SizeOf(state.CowDevice), Is.EqualTo(2 * Bytes));
    }

    private static void Judge(Action extend, bool may)
    {
        if (may)
        {
            extend();
            return;
        }

        Failure failure = Assert.Throws<RefusedException>(extend)!.Failure;
        Assert.That(failure.Code, Is.EqualTo(ExitCode.Usage));
        Assert.That(failure.Reason, Does.Contain("no whole number of blocks of 4096 bytes"));
    }

    private static long SizeOf(string device)
    {
        using SafeFileHandle handle = BlockDevice.OpenDirect(device, write: false);
        return checked((long)BlockDevice.SizeBytes(handle));
    }

    private DeviceState Device(uint blockOfBase)
    {
        string cow = Path.Combine(_directory, "cow");
        var spec = new CreateSpec("vm1", Path.Combine(_directory, "base"), cow, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);
        return DeviceState.Of(spec) with { BaseDevice = Attach(spec.Base!, blockOfBase), CowDevice = Attach(cow, 512) };
    }

    private string Attach(string path, uint block)
    {
        using (FileStream file = new(path, FileMode.CreateNew))
        {
            file.SetLength(Bytes);
        }

        LoopDevices.Require();
        _loops.Add(LoopDevice.Attach(path, readOnly: false, sectorSize: block));
        return _loops[^1].Path;
    }
}
