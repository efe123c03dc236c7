// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What each verb asks the daemon for.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliParsingTests
{
    private static readonly string[] Layers = ["/l1", "/l2,/b2"];
    private static readonly string[] Settings = ["extended_l2=on", "compat=1.1"];
    private static readonly string[] Directories = ["/d"];

    private readonly CliFakeWorld _world = new();

    private Request Asked(string line)
    {
        _world.Answer = static request => request.Verb switch
        {
            Verbs.Explain => new Response(Explanation: new ExplainReport("ident", 5, 0, "base", "/dev/vdb", 5, "sector 5 reads from the base")),
            Verbs.Compact => new Response(Compaction: new CompactReport(40, 3, 20, 1.25)),
            _ => new Response(Devices: [CliFakeWorld.Device], Daemon: CliFakeWorld.Daemon),
        };
        Assert.That(_world.Run(line), Is.EqualTo(ExitCode.Done), _world.Error.ToString());
        Assert.That(_world.Error.ToString(), Is.Empty);
        return _world.Requests[^1];
    }

    [Test]
    public void TheExampleOfTheManualIsUnderstood()
    {
        Request request = Asked("create ident /dev/hdb /dev/hdc 1024");
        Assert.That(request, Is.EqualTo(new Request(Verbs.Create, "ident", request.Create)));
        Assert.That(
            request.Create,
            Is.EqualTo(new CreateSpec("ident", "/dev/hdb", "/dev/hdc", 1024, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false))
                .Using<CreateSpec>(SameButLayers));
        Assert.That(request.Create!.Layers, Is.Empty);
        Assert.That(_world.Out.ToString(), Is.EqualTo("/dev/mapper/ident\n"));
    }

    [Test]
    public void EveryOptionOfCreateArrives()
    {
        CreateSpec spec = Asked(
            "create vm1 base.img vm1.cow 64K --format bitmap --size 2G --segments 100 --no-space error --layer /l1 --layer /l2,/b2 "
            + "--bitmap-device /dev/vdd --force --read-only --at-boot").Create!;
        Assert.That(spec.Layers, Is.EqualTo(Layers));
        Assert.That(
            spec,
            Is.EqualTo(new CreateSpec(
                "vm1", Path.GetFullPath("base.img"), Path.GetFullPath("vm1.cow"), 128, "bitmap", 4_194_304, [], "/dev/vdd", 100,
                NoSpacePolicy.Error, true, true, true)).Using<CreateSpec>(SameButLayers));
    }

    [Test]
    public void WhatIsToBeThereAtBootHasTheDaemonStartedThen()
    {
        _ = Asked("create vm1 /b /c");
        Assert.That(_world.Enabled, Is.Zero);
        _ = Asked("create vm1 /b /c --at-boot");
        Assert.That(_world.Enabled, Is.EqualTo(1));
        _ = Asked("open vm1 /i --at-boot");
        Assert.That(_world.Enabled, Is.EqualTo(2));
        Assert.That(_world.Error.ToString(), Is.Empty);
    }

    [Test]
    public void ADeviceThatWillNotBeThereAtBootIsThereNow()
    {
        _world.NotEnabled = "Access denied";
        Assert.That(_world.Run("create vm1 /b /c --at-boot"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Is.EqualTo("/dev/mapper/vm1\n"));
        Assert.That(_world.Error.ToString(), Does.Contain("will not be at boot").And.Contain("Access denied").And.Contain("systemctl enable dm-cow"));
    }

    [Test]
    public void EveryOptionOfAnImageOverABaseArrives()
    {
        CreateSpec spec = Asked("create vm1 /b /c 64K --format qcow2 --base-format qcow2 -o extended_l2=on -o compat=1.1 --backing-dir /d --size 2G").Create!;
        Assert.That((spec.ChunkSectors, spec.SizeSectors, spec.Format), Is.EqualTo((128UL, 4_194_304UL, "qcow2")));
        Assert.That(spec.Image!.BackingFormat, Is.EqualTo("qcow2"));
        Assert.That(spec.Image.Settings, Is.EqualTo(Settings));
        Assert.That(spec.Image.BackingDirectories, Is.EqualTo(Directories));
    }

    [Test]
    public void OptionsMayStandBeforeArguments() =>
        Assert.That(Asked("create --format snapshot a /b /c").Create!.Format, Is.EqualTo("snapshot"));

    [Test]
    public void ADashIsNoBase() => Assert.That(Asked("create a - /c").Create!.Base, Is.Null);

    [Test]
    public void APathMayStartWithAnAt() => Assert.That(Asked("create a @b /c").Create!.Base, Is.EqualTo(Path.GetFullPath("@b")));

    [TestCase("/h")]
    [TestCase("/?")]
    public void APathIsNoOption(string path) => Assert.That(Asked($"create a {path} /c").Create!.Base, Is.EqualTo(path));

    [Test]
    public void CreateAsJsonPrintsTheDevice()
    {
        Asked("create ident /b /c --json");
        Assert.That(_world.Out.ToString(), Does.Contain("\"name\": \"ident\"").And.Not.Contain("/dev/mapper"));
    }

    [Test]
    public void ListAsksForAll() => Assert.That(Asked("list"), Is.EqualTo(new Request(Verbs.List)));

    [Test]
    public void StatusAsksForOneOrAll()
    {
        Assert.That(Asked("status ident"), Is.EqualTo(new Request(Verbs.Status, "ident")));
        Assert.That(Asked("status"), Is.EqualTo(new Request(Verbs.List)));
    }

    [Test]
    public void ExplainPassesTheSector()
    {
        Assert.That(Asked("explain ident 5"), Is.EqualTo(new Request(Verbs.Explain, "ident", Sector: 5)));
        Assert.That(_world.Out.ToString(), Is.EqualTo("sector 5 reads from the base\n"));
    }

    [Test]
    public void CompactReportsInALine()
    {
        Assert.That(Asked("compact ident"), Is.EqualTo(new Request(Verbs.Compact, "ident")));
        Assert.That(_world.Out.ToString(), Is.EqualTo("ident: 40 -> 3 lines, 20 chunks in linear lines, pause 1.3 ms\n").Or.EqualTo(
            "ident: 40 -> 3 lines, 20 chunks in linear lines, pause 1.2 ms\n"));
    }

    [Test]
    public void ExtendPassesBytesOrNothing()
    {
        Assert.That(Asked("extend ident 2G"), Is.EqualTo(new Request(Verbs.Extend, "ident", Bytes: 2_147_483_648)));
        Assert.That(Asked("extend ident"), Is.EqualTo(new Request(Verbs.Extend, "ident")));
        Assert.That(_world.Out.ToString(), Is.Empty);
    }

    [Test]
    public void RemoveIsQuiet()
    {
        Assert.That(Asked("remove ident"), Is.EqualTo(new Request(Verbs.Remove, "ident")));
        Assert.That(Asked("remove ident --force"), Is.EqualTo(new Request(Verbs.Remove, "ident", Force: true)));
        Assert.That(_world.Out.ToString(), Is.Empty);
    }

    [Test]
    public void DaemonStopWaitsForItsEnd()
    {
        Assert.That(Asked("daemon stop"), Is.EqualTo(new Request(Verbs.Stop)));
        Assert.That(_world.AwaitedPid, Is.EqualTo(4711));
    }

    [Test]
    public void DaemonStatusPings()
    {
        Assert.That(Asked("daemon status"), Is.EqualTo(new Request(Verbs.Ping)));
        Assert.That(_world.Out.ToString(), Does.Contain("4711").And.Contain("pinned").And.Contain("0:01:01"));
    }

    [Test]
    public void FormatTakesItsSizeFromBaseOrNumber()
    {
        Assert.That(_world.Run("format /c 16 --base /b --format snapshot"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Run("format /c --size 1M --force"), Is.EqualTo(ExitCode.Done));
        Assert.Multiple(() =>
        {
            Assert.That(_world.Formats[0], Is.EqualTo(new Cli.Stores.FormatSpec("/c", "/b", null, "snapshot", 16, null, false)));
            Assert.That(_world.Formats[1], Is.EqualTo(new Cli.Stores.FormatSpec("/c", null, 2048, null, null, null, true)));
            Assert.That(_world.Out.ToString(), Is.Empty);
            Assert.That(_world.Requests, Is.Empty, "format needs no daemon");
        });
    }

    private static bool SameButLayers(CreateSpec a, CreateSpec b) => a with { Layers = b.Layers } == b;
}
