// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Each finding alone, from facts.</summary>
[TestFixture]
internal sealed class CliDoctorTests
{
    private static readonly MappedFact Ident = new("ident", "ident", []);

    private static readonly MachineFacts Healthy = CliFakeWorld.Healthy with { Mapped = [Ident], StateFiles = ["ident"] };

    private static readonly Failure Silent = new(ExitCode.NoDaemon, "daemon", "did not answer", "look");

    private static string[] Judge(
        MachineFacts facts, DaemonReport? daemon, IReadOnlyList<DeviceReport>? devices = null, Failure? problem = null) =>
        [.. Diagnosis.Judge(facts, daemon, devices ?? [CliFakeWorld.Device], problem).Select(static finding => finding.ToString())];

    private static string Only(string[] findings)
    {
        Assert.That(findings, Has.Length.EqualTo(1), string.Join('\n', findings));
        return findings[0];
    }

    [Test]
    public void AHealthyMachineHasNoFindings() => Assert.That(Judge(Healthy, CliFakeWorld.Daemon), Is.Empty);

    [Test]
    public void AnIdleMachineNeedsNoDaemon() => Assert.That(Judge(CliFakeWorld.Healthy, null, []), Is.Empty);

    [TestCase("5.10.0-30-amd64", 1)]
    [TestCase("6.0.1", 1)]
    [TestCase("6.1.0-44-cloud-amd64", 0)]
    [TestCase("7.0-rc1", 0)]
    [TestCase("strange", 0)]
    public void AnOldKernelIsAFinding(string release, int findings) =>
        Assert.That(Judge(Healthy with { Kernel = release }, CliFakeWorld.Daemon), Has.Length.EqualTo(findings));

    [Test]
    public void AMissingDeviceMapperIsAFinding() =>
        Assert.That(Only(Judge(CliFakeWorld.Healthy with { DeviceMapper = null, ModuleLoaded = false }, null, [])), Does.Contain("modprobe dm-mod"));

    [Test]
    public void AMissingModuleIsAFinding() =>
        Assert.That(Only(Judge(CliFakeWorld.Healthy with { ModuleLoaded = false }, null, [])), Does.Contain("modprobe dm-cow"));

    [Test]
    public void AModuleOfAnotherVersionIsAFinding() =>
        Assert.That(Only(Judge(Healthy with { ChannelProblem = "EPROTO" }, CliFakeWorld.Daemon)), Does.StartWith("/dev/dm-cow: EPROTO; "));

    [Test]
    public void ADeviceThatWillNotBeThereAtBootIsAFinding() =>
        Assert.That(
            Only(Judge(Healthy with { NotAtBoot = ["ident"] }, CliFakeWorld.Daemon)),
            Does.StartWith("ident: is to be there at boot").And.EndsWith("systemctl enable dm-cow\""));

    [Test]
    public void DevicesWithoutADaemonAreAFinding() => Assert.That(Only(Judge(Healthy, null, [])), Does.StartWith("daemon: does not run though"));

    [Test]
    public void ADaemonThatDoesNotAnswerIsAFinding() =>
        Assert.That(Only(Judge(Healthy, null, [], Silent)), Is.EqualTo("daemon: did not answer; look"));

    [Test]
    public void DevicesOfADaemonThatDoesNotListThemAreNotLost() =>
        Assert.That(Only(Judge(Healthy, CliFakeWorld.Daemon, [], Silent)), Is.EqualTo("daemon: did not answer; look"));

    [Test]
    public void AnUnpinnedDaemonIsAFinding() =>
        Assert.That(Only(Judge(Healthy, CliFakeWorld.Daemon with { Pinned = false })), Does.Contain("not pinned"));

    [Test]
    public void ADaemonOfAnotherVersionIsAFinding() =>
        Assert.That(Only(Judge(Healthy, CliFakeWorld.Daemon with { Version = "0.0.1" })), Does.Contain("is version 0.0.1"));

    [Test]
    public void ADeviceThatTheDaemonDoesNotKnowIsAFinding() => Assert.That(
        Only(Judge(Healthy with { Mapped = [Ident, new MappedFact("y", "stray", [])] }, CliFakeWorld.Daemon)),
        Is.EqualTo("y: was made by cowctl as stray, but the daemon does not know it; run \"dmsetup remove y\", and create it again with cowctl"));

    [Test]
    public void ADeviceWithAnotherNameIsTheOneThatItWas() => Assert.That(
        Judge(Healthy with { Mapped = [new MappedFact("renamed", "ident", [])] }, CliFakeWorld.Daemon), Is.Empty);

    /// <summary>A device that is collapsed to the end has no line of ours, and one of somebody else's may have nothing else.</summary>
    [Test]
    public void ADeviceIsOursByItsUniqueIdWhateverItsTable()
    {
        Dictionary<string, string> targets = new() { ["made"] = "cow", ["theirs"] = "linear", ["stripe"] = "userspace" };
        DmListEntry[] all =
        [
            Entry("x", "COWCTL-x"), Entry("y", "COWCTL-ident"), Entry("made", null), Entry("theirs", "LVM-x"), Entry("stripe", null), Entry("a b", null),
        ];
        IEnumerable<MappedFact> found = LinuxMachine.Mapped(all, name => [new TableLine(0, 8, targets[name.Value], "me 8:0 8:16 8")]);
        string[] expected = ["x x ", "y ident ", "made  me"];
        Assert.That(found.Select(static fact => $"{fact.Name} {fact.Device} {string.Join(',', fact.Idents)}"), Is.EqualTo(expected));

        static DmListEntry Entry(string name, string? uuid) => new(name, new DeviceNumber(253, 0), 0, uuid);
    }

    [TestCase(true, 0)]
    [TestCase(false, 1)]
    public void WhatSomebodyElseMadeIsAFindingOnlyWithoutItsController(bool controlled, int findings)
    {
        MachineFacts facts = Healthy with
        {
            Mapped = [Ident, new MappedFact("theirs", null, ["me"])],
            Idents = [new IdentFact("ident", false, true, 0), new IdentFact("me", false, controlled, 0)],
        };
        string[] found = Judge(facts, CliFakeWorld.Daemon);
        Assert.That(found, Has.Length.EqualTo(findings));
        Assert.That(found, Has.All.StartsWith("theirs: has a cow table but no controller"));
        Assert.That(Judge(facts with { ChannelProblem = "EPROTO", Idents = [] }, CliFakeWorld.Daemon), Has.None.StartsWith("theirs: "));
    }

    [Test]
    public void ADeviceOfAnotherControllerIsNotOursToServe() => Assert.That(
        Judge(Healthy with { Idents = [new IdentFact("stripe", false, Controlled: false, 0)] }, CliFakeWorld.Daemon), Is.Empty);

    [Test]
    public void AStateFileWithoutADeviceIsAFinding() => Assert.That(
        Only(Judge(Healthy with { StateFiles = ["ident", "lost"] }, CliFakeWorld.Daemon)), Does.StartWith("lost: has a state file"));

    [Test]
    public void UncommittedChangesOfARemovedDeviceAreAFinding()
    {
        MachineFacts facts = Healthy with { Idents = [new IdentFact("x", Gone: true, Controlled: false, 5), new IdentFact("y", true, false, 0)] };
        Assert.That(Only(Judge(facts, CliFakeWorld.Daemon)), Does.StartWith("x: was removed with 5 runs"));
    }

    [Test]
    public void ADeviceWithoutAControllerIsAFinding() => Assert.That(
        Only(Judge(Healthy with { Idents = [new IdentFact("ident", false, false, 0)] }, CliFakeWorld.Daemon)), Does.StartWith("ident: has no controller"));

    [Test]
    public void ALoopOverALostFileIsAFinding()
    {
        MachineFacts facts = Healthy with { LostLoops = [new LoopFact("/dev/loop1", "/srv/x", []), new LoopFact("/dev/loop2", "/srv/y", ["ident"])] };
        string[] findings = Judge(facts, CliFakeWorld.Daemon);
        Assert.That(findings[0], Is.EqualTo("/dev/loop1: its file /srv/x is gone; run \"losetup -d /dev/loop1\""));
        Assert.That(findings[1], Does.Contain("while ident uses it; copy the data away"));
    }

    [Test]
    public void AFullDeviceAndAProblemAreFindings() => Assert.That(
        Judge(Healthy, CliFakeWorld.Daemon, [CliFakeWorld.Device with { Problem = "broken", WaitingForSpace = true }]), Has.Length.EqualTo(2));

    [Test]
    public void DoctorExitsWithTwelveAndStartsNothing()
    {
        CliFakeWorld world = new() { IsRunning = false, Facts = CliFakeWorld.Healthy with { ModuleLoaded = false } };
        Assert.That(world.Run("doctor"), Is.EqualTo(ExitCode.Findings));
        Assert.That(world.Out.ToString(), Does.Contain("not loaded").And.Contain("module dm-cow: is not loaded; run \"modprobe dm-cow\""));
        Assert.That(world.Starts, Is.Zero);
        Assert.That(world.Requests, Is.Empty);
    }

    [Test]
    public void DoctorIsQuietAboutHealth()
    {
        CliFakeWorld world = new() { Answer = static _ => new Response(Daemon: CliFakeWorld.Daemon, Devices: []) };
        Assert.That(world.Run("doctor"), Is.EqualTo(ExitCode.Done));
        Assert.That(world.Out.ToString(), Does.Contain("findings       none"));
    }
}
