// SPDX-License-Identifier: MIT
using System.Text.Json;
using Cow.Controller.Cli.Images;
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary><c>info</c>: says what an image is, and opens nothing else.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliInfoTests : IDisposable
{
    private readonly CliImageWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Test]
    public void ARawImageIsWhatItIsCalled()
    {
        string raw = _world.Raw("disk");
        Assert.That(_world.Run("info", raw), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Error, Does.Contain("bears no format that is known; name one with --format: "));
        Assert.That(_world.Done("info", raw, "--format", "raw"), Does.Contain("4 MiB (4195840 bytes)"));
        Assert.That(_world.Done("info", raw, "--format", "raw", "--json"), Does.Contain("\"virtualBytes\": 4195840").And.Contain("\"diskBytes\": "));
    }

    [TestCase("snapshot")]
    [TestCase("bitmap")]
    public void AStoreIsRecognised(string format)
    {
        _world.Done("format", _world.In("store"), "16", "--size", "1M", "--format", format);
        Assert.That(_world.Done("info", _world.In("store")), Does.Contain(format).And.Contain("that of its base"));
    }

    [Test]
    public void WhatIsNoImageIsSaidToBeNone()
    {
        File.WriteAllBytes(_world.In("empty"), []);
        Assert.That(_world.Run("info", _world.In("empty")), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Run("info", _world.In("nothing")), Is.EqualTo(ExitCode.NotFound));
        Assert.That(_world.Run("info", _world.In("empty"), "--format", "vmdx"), Is.EqualTo(ExitCode.BadStore).Or.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run("info", Path.GetTempPath()), Is.EqualTo(ExitCode.NotFound));
    }

    [Test]
    public void NothingThatAnImageNamesIsOpened()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/hostname", "-F", "raw", image, "1M");
        Assert.That(_world.Done("info", image), Does.Contain("/etc/hostname (raw)"));
        Assert.That(_world.Run("info", image, "--chain"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Error, Does.Contain("--backing-dir").And.Contain("/etc/hostname"));
    }

    [Test]
    public void ADataFileIsNotOpened()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-o", $"data_file={_world.In("data")}", image, "1M");
        File.Delete(_world.In("data"));
        Assert.That(_world.Done("info", image), Does.Contain("1 MiB"));
        Assert.That(_world.Run("info", image, "--chain"), Is.EqualTo(ExitCode.BadStore));
    }

    [Test]
    public void APipeThatAnImageNamesIsNotWaitedFor()
    {
        using System.Diagnostics.Process mkfifo = System.Diagnostics.Process.Start("mkfifo", [_world.In("pipe")]);
        mkfifo.WaitForExit();
        string image = _world.In("a.vmdk");
        File.WriteAllText(image, "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"pipe\" 0\n");
        Assert.That(_world.Run("map", image), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Run("check", _world.In("pipe")), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Run("format", _world.In("pipe"), "--size", "1M"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(() => DirectFile.Open(_world.In("pipe"), write: false), Throws.InstanceOf<IOException>());
        Assert.That(() => DirectFile.OpenResolved(_world.In("pipe"), write: false), Throws.InstanceOf<IOException>());
        Assert.That(() => PlainFile.OpenResolved(_world.In("pipe"), writable: false), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void WhereAPathWasResolvedNoLinkIsFollowed()
    {
        File.CreateSymbolicLink(_world.In("link"), _world.Raw("disk"));
        Assert.That(() => DirectFile.OpenResolved(_world.In("link"), write: false), Throws.InstanceOf<LinuxException>());
        Assert.That(() => PlainFile.OpenResolved(_world.In("link"), writable: false), Throws.InstanceOf<LinuxException>());
        using IImageFile direct = DirectFile.OpenResolved(_world.In("disk"), write: true);
        using PlainFile plain = PlainFile.OpenResolved(_world.In("disk"), writable: true);
        Assert.That((direct.Length, direct.CanGrow), Is.EqualTo((plain.Length, plain.CanGrow)));
    }

    [Test]
    public void TheChainIsShownWhereItIsAskedFor()
    {
        CliImageWorld.Require("qcow2");
        string top = Chain();
        string text = _world.Done("info", top, "--chain", "--json");
        Assert.That(text, Does.Contain("\"chain\": [").And.Contain("\"format\": \"raw\""));
    }

    /// <summary>A descriptor, not the first of the files that it names.</summary>
    [Test]
    public void AnImageInTheChainIsTheFileThatOpensIt()
    {
        CliImageWorld.Require("vmdk");
        CliImageWorld.Require("qcow2");
        string lower = _world.In("base.vmdk");
        CliImageWorld.Qemu("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", lower, "1M");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "base.vmdk", "-F", "vmdk", _world.In("top.qcow2"));
        using JsonDocument top = JsonDocument.Parse(_world.Done("info", _world.In("top.qcow2"), "--chain", "--json"));
        using JsonDocument alone = JsonDocument.Parse(_world.Done("info", lower, "--chain", "--json"));
        JsonElement below = top.RootElement.GetProperty("chain")[0];
        Assert.That(below.GetProperty("image").GetString(), Is.EqualTo(lower));
        Assert.That(below.GetProperty("fileBytes").GetInt64(), Is.EqualTo(new FileInfo(lower).Length));
        Assert.That(alone.RootElement.GetProperty("fileBytes").GetInt64(), Is.EqualTo(new FileInfo(lower).Length));
    }

    [Test]
    public void WhatATerminalWouldObeyIsNotShown()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-u", "-b", "x\u001b[31m", "-F", "raw", image, "1M");
        Assert.That(_world.Done("info", image), Does.Contain("x?[31m").And.Not.Contain("\u001b"));
    }

    [Test]
    public void SnapshotsAreListed()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        CliImageWorld.Qemu("snapshot", "-c", "before", image);
        Assert.That(_world.Done("info", image), Does.Contain("'before'"));
        Assert.That(_world.Done("info", image, "--json"), Does.Contain("\"name\": \"before\""));
    }

    /// <summary>The table of 64 Ki is in a hole.</summary>
    [Test]
    public void OfVeryManySnapshotsTheFirstAreListed()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        using (FileStream file = File.OpenWrite(image))
        {
            file.SetLength(8 << 20);
            file.Position = 60;
            file.Write([0, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0]);
        }

        Assert.That(_world.Done("info", image), Does.Contain("and 65336 more").And.Length.LessThan(20_000));
        Assert.That(_world.Done("info", image, "--json"), Does.Contain("\"moreSnapshots\": 65336").And.Length.LessThan(40_000));
    }

    [Test]
    public void AnImageThatAMachineWritesIsRefusedUnlessShared()
    {
        string raw = _world.Raw("disk");
        using (ImageLocks machine = new())
        {
            machine.LockStore(raw);
            Assert.That(_world.Run("info", raw, "--format", "raw"), Is.EqualTo(ExitCode.InUse));
            Assert.That(_world.Run("map", raw, "--format", "raw"), Is.EqualTo(ExitCode.InUse));
            _world.Done("info", raw, "--format", "raw", "-U");
            _world.Done("map", raw, "--format", "raw", "--force-share");
        }

        _world.Done("info", raw, "--format", "raw");
    }

    private string Chain()
    {
        _world.Raw("base.raw");
        string top = _world.In("top.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", top);
        return top;
    }
}
