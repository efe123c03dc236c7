// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.DmIoctl.Tests;
using Cow.Formats.Io;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Devices and files that somebody else uses, with loop devices.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[Category("Root")]
internal sealed class UseTests : IDisposable
{
    private readonly CliImageWorld _world = new();
    private LoopDevice? _loop;

    public void Dispose()
    {
        using (_loop)
        {
            _loop?.Detach();
        }

        _world.Dispose();
    }

    [Test]
    public void ADeviceThatTheKernelGaveToSomebodyIsNotOverwritten()
    {
        string source = _world.Raw("source");
        string device = Attach(_world.Raw("disk"), readOnly: false);
        string[] format = ["format", device, "--size", "1M", "--force"];
        string[] convert = ["convert", source, device, "--source-format", "raw", "--format", "raw", "--force"];
        // As swapon does, and mount: of the device or of a partition.
        using (SafeFileHandle? claim = BlockDevice.TryClaim(device))
        {
            Assert.That(claim, Is.Not.Null);
            foreach (string[] verb in new[] { format, convert })
            {
                Assert.That(_world.Run(verb), Is.EqualTo(ExitCode.InUse), _world.Error);
                Assert.That(_world.Error, Does.Contain("it or a partition of it is mounted, swap, or part of another device; see \"lsblk"));
            }

            Assert.That(
                () => new UseChecks(NoDeviceMapper).Store(device),
                Throws.TypeOf<RefusedException>().With.Property("Failure").Property("Code").EqualTo(ExitCode.InUse));
        }

        _world.Done(convert);
        _world.Done(format);
        new UseChecks(NoDeviceMapper).Store(device);
    }

    /// <summary>QEMU claims no device: its locks are all that tells of it.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void ADeviceThatAMachineWritesIsNotOpened(bool readOnly)
    {
        string device = Attach(_world.Raw("disk"), readOnly: false);
        CreateSpec spec = Image(device) with { ReadOnly = readOnly };
        using (ImageLocks machine = new())
        {
            machine.LockStore(device);
            Assert.That(() => Open(spec), Throws.TypeOf<RefusedException>().With.Message.Contains($"{device}: is in use by a virtual machine"));
        }

        Assert.That(() => Open(spec), Throws.TypeOf<InvalidOperationException>());
    }

    [TestCase("machine")]
    [TestCase("kernel")]
    [TestCase("base")]
    public void NoImageIsMadeOfWhatSomebodyElseUses(string used)
    {
        string file = _world.In("disk");
        File.WriteAllBytes(file, new byte[4 << 20]);
        string device = Attach(file, readOnly: false);
        CreateSpec spec = Image(device) with { Base = _world.Raw("base"), Format = "qcow2" };
        using (ImageLocks machine = new())
        using (used == "kernel" ? BlockDevice.TryClaim(device) : null)
        {
            if (used != "kernel")
            {
                machine.LockStore(used == "base" ? spec.Base! : device);
            }

            Assert.That(() => Open(spec), Throws.TypeOf<RefusedException>().With.Property("Failure").Property("Code").EqualTo(ExitCode.InUse));
        }

        Assert.That(File.ReadAllBytes(file), Is.All.Zero);
        Assert.That(() => Open(spec), Throws.TypeOf<InvalidOperationException>());
        Assert.That(File.ReadAllBytes(file)[..3], Is.EqualTo("QFI"u8.ToArray()));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void AnImageWhoseDataIsSomebodyElsesIsNotOpened(bool machine)
    {
        CliImageWorld.Require("vmdk");
        CliImageWorld.Qemu("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", _world.In("disk.vmdk"), "4M");
        string data = _world.In("disk-flat.vmdk");
        using ImageLocks locks = new();
        if (machine)
        {
            locks.LockStore(data);
        }
        else
        {
            Attach(data, readOnly: false);
        }

        string reason = machine ? "is in use by a virtual machine" : "is attached to";
        Assert.That(
            () => Open(Image(_world.In("disk.vmdk")), static (spec, claim) => ImageStore.Open(spec, new MetadataCache(1 << 20), claim)),
            Throws.TypeOf<RefusedException>().With.Message.Contains($"{data}: {reason}"));
    }

    [Test]
    public void TheDeviceOfABitmapIsTheStoresAloneAsLongAsItIsOpen()
    {
        string device = Attach(_world.Raw("bitmap"), readOnly: false);
        CreateSpec spec = new("vm1", null, _world.Raw("cow"), null, null, null, [], device, null, NoSpacePolicy.Wait, false, false, false);
        DeviceState state = DeviceState.Of(spec) with { CowDevice = spec.Cow, BitmapDevice = device };
        using (new OpenedStore(state, readOnly: false))
        {
            Assert.That(BlockDevice.TryClaim(device), Is.Null);
            Assert.That(() => new UseChecks(NoDeviceMapper).Store(device), Throws.TypeOf<RefusedException>());
            Assert.That(() => new OpenedStore(state, readOnly: false), Throws.TypeOf<RefusedException>());
        }

        Assert.That(() => new OpenedStore(state with { CowDevice = _world.In("gone") }, readOnly: false), Throws.InstanceOf<IOException>());
        new UseChecks(NoDeviceMapper).Store(device);
    }

    [Test]
    public void AnOrdinaryUserReadsHisOwnFilesWhateverOthersHaveAttached()
    {
        string mine = _world.Raw("mine");
        string device = Attach(_world.Raw("other"), readOnly: false);
        UnixFileMode before = File.GetUnixFileMode(device);
        Directory.CreateDirectory(_world.Paths.Run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        ShowToOthers(Path.GetDirectoryName(mine)!);
        File.SetUnixFileMode(device, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        try
        {
            using (new OrdinaryUser())
            {
                Assert.That(() => File.OpenHandle(device).Dispose(), Throws.TypeOf<UnauthorizedAccessException>());
                _world.Done("info", mine, "--format", "raw");
                _world.Done("map", mine, "--format", "raw");
                Assert.That(_world.Run("info", _world.In("other"), "--format", "raw"), Is.EqualTo(ExitCode.InUse), _world.Error);
                Assert.That(_world.Error, Does.Contain(device));
            }
        }
        finally
        {
            File.SetUnixFileMode(device, before);
        }
    }

    [Test]
    public void AnOrdinaryUserIsToldOfAMistypedFile()
    {
        Directory.CreateDirectory(_world.Paths.Run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        ShowToOthers(Path.GetDirectoryName(_world.Paths.Run)!);
        using (new OrdinaryUser())
        {
            Assert.That(() => Directory.GetFiles(_world.Paths.Run), Throws.TypeOf<UnauthorizedAccessException>());
            Assert.That(_world.Run("map", _world.In("mistyped")), Is.EqualTo(ExitCode.NotFound), _world.Error);
        }
    }

    [TestCase(true, ExitCode.Done)]
    [TestCase(false, ExitCode.InUse)]
    public void WhatOthersOnlyReadMayBeRead(bool readOnly, ExitCode expected)
    {
        string golden = _world.Raw("golden");
        Attach(golden, readOnly);
        Assert.Multiple(() =>
        {
            Assert.That(_world.Run("info", golden, "--format", "raw"), Is.EqualTo(expected), _world.Error);
            Assert.That(_world.Run("map", golden, "--format", "raw"), Is.EqualTo(expected), _world.Error);
            Assert.That(
                _world.Run("convert", golden, _world.In("copy"), "--source-format", "raw", "--format", "raw"), Is.EqualTo(expected), _world.Error);
            // Whoever writes it is one too many.
            Assert.That(
                _world.Run("convert", _world.Raw("source"), golden, "--source-format", "raw", "--format", "raw", "--force"),
                Is.EqualTo(ExitCode.InUse), _world.Error);
        });
    }

    [TestCase(true, ExitCode.Done)]
    [TestCase(false, ExitCode.InUse)]
    public void TheImageOfAReadOnlyDeviceMayBeRead(bool readOnly, ExitCode expected)
    {
        string image = _world.Raw("disk");
        CreateSpec spec = new("vm1", null, image, null, null, null, [], null, null, NoSpacePolicy.Wait, false, readOnly, false);
        new StateStore(_world.Paths).Write(DeviceState.Of(spec) with { Phase = DevicePhase.Active });
        Assert.That(_world.Run("info", image, "--format", "raw"), Is.EqualTo(expected), _world.Error);
    }

    /// <summary>The extents of a VMDK, of which the state has the loop devices.</summary>
    [TestCase("first")]
    [TestCase("second")]
    public void TheDataOfALiveImageIsItsDevices(string name)
    {
        string[] extents = [_world.Raw("first"), _world.Raw("second"), _world.Raw("other")];
        new StateStore(_world.Paths).Write(DeviceState.Of(Image(_world.Raw("disk"))) with
        {
            Phase = DevicePhase.Active,
            CowDevice = "/dev/loop6001",
            DataDevices = ["/dev/loop6002"],
            Parts = [Loop("/dev/loop6001", extents[0]), Loop("/dev/loop6002", extents[1]), Loop("/dev/loop6003", extents[2])],
        });
        Assert.That(_world.Run("info", _world.In(name), "--format", "raw"), Is.EqualTo(ExitCode.InUse));
        Assert.That(_world.Error, Does.Contain("device vm1 uses it"));
        _world.Done("info", extents[2], "--format", "raw");
    }

    private static PartIdentity Loop(string node, string file) => new(node, "7:0", null, FileIdentity.Of(file));

    // A scratch directory is its owner's alone.
    private static void ShowToOthers(string directory) =>
        File.SetUnixFileMode(directory, File.GetUnixFileMode(directory) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

    private static CreateSpec Image(string path) => new("vm1", null, path, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false)
    {
        Image = new DeviceImageSpec([], "raw", null, 0),
    };

    private static DmControl NoDeviceMapper() => throw new InvalidOperationException("nothing lies on it");

    /// <summary>As the daemon does, up to where nobody else is in the way of the image's own file.</summary>
    private void Open(CreateSpec spec) => Open(spec, static (_, _) => throw new InvalidOperationException("it is opened"));

    private void Open(CreateSpec spec, Func<CreateSpec, Action<string, bool>, ImageStore> open)
    {
        using Unwinder undo = new(NullLogger.Instance);
        using ImageLocks locks = new();
        PartsBuilder parts = new(new StateStore(_world.Paths), undo, DeviceState.Of(spec));
        _ = new ImageParts(parts, undo, new UseChecks(NoDeviceMapper), locks).Open(spec, open);
    }

    private string Attach(string path, bool readOnly)
    {
        LoopDevices.Require();
        _loop = LoopDevice.Attach(path, readOnly);
        return _loop.Path;
    }
}
