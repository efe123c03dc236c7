// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Real;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class StateStoreTests
{
    private static readonly CreateSpec Spec =
        new("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);

    private string _directory = "";

    private DaemonPaths Paths => new(Path.Combine(_directory, "run"), Path.Combine(_directory, "etc"), Path.Combine(_directory, "lib"));

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AStateComesBackAsItWasWritten()
    {
        var store = new StateStore(Paths);
        DeviceState state = DeviceState.Of(Spec) with
        {
            Phase = DevicePhase.Active,
            Format = "snapshot",
            Sectors = 100,
            ChunkSectors = 8,
            Loops = ["/dev/loop3"],
            CowDevice = "/dev/loop3",
            BaseDevice = "/b",
            LayerDevices = ["/l"],
            LayerBitmaps = [null],
            CreatedFiles = ["/c"],
            Parts = [new PartIdentity("/dev/loop3", "7:3", 17, "8:1:12"), new PartIdentity("/c", null, null, "8:1:12")],
            CreatedAs = [new CreatedFile("/c", "8:1:12", DateTime.UnixEpoch.AddTicks(7))],
        };
        store.Write(state);
        DeviceState back = store.Read("vm1")!;
        Assert.That(back.Phase, Is.EqualTo(DevicePhase.Active));
        Assert.That((back.Format, back.Sectors, back.ChunkSectors, back.CowDevice, back.BaseDevice), Is.EqualTo(("snapshot", 100UL, 8UL, "/dev/loop3", "/b")));
        Assert.That(back.Loops, Is.EqualTo(state.Loops));
        Assert.That(back.LayerBitmaps, Is.EqualTo(state.LayerBitmaps));
        Assert.That(back.CreatedFiles, Is.EqualTo(state.CreatedFiles));
        Assert.That(back.Parts, Is.EqualTo(state.Parts));
        Assert.That(back.CreatedAs, Is.EqualTo(state.CreatedAs));
    }

    [Test]
    public void AStateOfAnOlderDaemonIsRead()
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        string path = Paths.StateOf("vm1");
        string older = File.ReadAllText(path)
            .Replace(",\"parts\":[]", "", StringComparison.Ordinal).Replace(",\"createdAs\":[]", "", StringComparison.Ordinal);
        Assert.That(older, Does.Not.Contain("parts").And.Not.Contain("createdAs"));
        File.WriteAllText(path, older);
        DeviceState back = store.Read("vm1")!;
        Assert.That(back.Parts, Is.Empty);
        Assert.That(back.CreatedAs, Is.Empty);
    }

    [Test]
    public void ADeletedStateIsGone()
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        store.Delete("vm1");
        Assert.That(store.Read("vm1"), Is.Null);
        Assert.That(store.ReadAll(), Is.Empty);
    }

    [Test]
    public void NothingThereIsNoDevice()
    {
        var store = new StateStore(Paths);
        store.Delete("vm1");
        Assert.That(store.Read("vm1"), Is.Null);
        Assert.That(store.ReadAll(), Is.Empty);
        Assert.That(store.ReadConfigurations(), Is.Empty);
    }

    [Test]
    public void AFileThatIsNotWholeIsPassedOver()
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        File.WriteAllText(Paths.StateOf("torn"), "{\"phase\":\"Act");
        Assert.That(store.ReadAll().ConvertAll(state => state.Spec.Name), Has.Count.EqualTo(1).And.Contain("vm1"));
    }

    [TestCase("{}")]
    [TestCase("""{"Name":"bad","Cow":"/c"}""")]
    [TestCase("""{"name":"vm1","cow":"/c"}""")]
    [TestCase("null")]
    [TestCase("")]
    public void AConfigurationWithoutItsNameIsPassedOver(string text)
    {
        var store = new StateStore(Paths);
        store.WriteConfiguration(Spec);
        File.WriteAllText(Paths.ConfigurationOf("bad"), text);
        Assert.That(store.ReadConfigurations().Single().Name, Is.EqualTo("vm1"));
    }

    [TestCase("{}")]
    [TestCase("""{"spec":{"name":"vm1"}}""")]
    public void AStateWithoutItsNameIsPassedOver(string text)
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        File.WriteAllText(Paths.StateOf("bad"), text);
        Assert.That(store.ReadAll().Single().Spec.Name, Is.EqualTo("vm1"));
    }

    [Test]
    public void OneThatCannotBeReadIsPassedOver()
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        store.WriteConfiguration(Spec);
        File.CreateSymbolicLink(Paths.StateOf("bad"), "bad.json");
        File.CreateSymbolicLink(Paths.ConfigurationOf("bad"), "bad.json");
        Assert.That(store.ReadAll(), Has.Count.EqualTo(1));
        Assert.That(store.ReadConfigurations(), Has.Count.EqualTo(1));
    }

    [TestCase(DevicePhase.Active, 1)]
    [TestCase(DevicePhase.Removing, 0)]
    public void WhatWasBeingRemovedIsNotCreatedAtBoot(object phase, int configured)
    {
        var store = new StateStore(Paths);
        DeviceState state = DeviceState.Of(Spec) with { Phase = (DevicePhase)phase };
        store.Write(state);
        store.WriteConfiguration(Spec);
        store.Forget(state);
        Assert.That(store.ReadAll(), Is.Empty);
        Assert.That(store.ReadConfigurations(), Has.Count.EqualTo(configured));
    }

    [Test]
    public void ADeviceIsForgottenAlsoWhereItsConfigurationCannotBeDeleted()
    {
        var store = new StateStore(Paths);
        DeviceState state = DeviceState.Of(Spec) with { Phase = DevicePhase.Removing };
        store.Write(state);
        Directory.CreateDirectory(Paths.ConfigurationOf("vm1"));
        Assert.That(() => store.Forget(state), Throws.Nothing);
        Assert.That(store.ReadAll(), Is.Empty);
    }

    [Test]
    public void AHalfWrittenNewStateLeavesTheOldOne()
    {
        var store = new StateStore(Paths);
        store.Write(DeviceState.Of(Spec));
        File.WriteAllText(Paths.StateOf("vm1") + ".new", "{");
        Assert.That(store.Read("vm1")!.Phase, Is.EqualTo(DevicePhase.Trying));
        Assert.That(store.ReadAll(), Has.Count.EqualTo(1));
    }

    [Test]
    public void StatesAreForTheOwnerOnly()
    {
        new StateStore(Paths).Write(DeviceState.Of(Spec));
        Assert.That(File.GetUnixFileMode(Paths.StateOf("vm1")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public void ConfigurationsAreKeptApartFromStates()
    {
        var store = new StateStore(Paths);
        store.WriteConfiguration(Spec);
        Assert.That(store.ReadAll(), Is.Empty);
        Assert.That(store.ReadConfigurations().Single().Name, Is.EqualTo("vm1"));
        store.DeleteConfiguration("vm1");
        Assert.That(store.ReadConfigurations(), Is.Empty);
    }

    [Test]
    public void AConfigurationIsDurableWhenItIsWrittenAndWhenItIsDeleted()
    {
        var flushed = new List<string>();
        var store = new StateStore(Paths, flush: directory => flushed.Add($"{Path.GetRelativePath(_directory, directory)}: {Names(directory)}"));
        store.WriteConfiguration(Spec);
        store.WriteConfiguration(Spec with { Cow = "/other" });
        store.DeleteConfiguration("vm1");
        store.DeleteConfiguration("vm1");
        Assert.That(string.Join("; ", flushed), Is.EqualTo("etc: vm1.json; .: etc; etc: vm1.json; etc: "));
    }

    [Test]
    public void WhatIsGoneAfterARebootIsNotMadeDurable()
    {
        var store = new StateStore(Paths, flush: directory => Assert.Fail($"{directory} was flushed"));
        DeviceState state = DeviceState.Of(Spec) with { Phase = DevicePhase.Removing };
        store.Write(state);
        store.Forget(state);
        Assert.That(store.ReadAll(), Is.Empty);
    }

    [Test]
    public void AForceIsNotKeptInAConfiguration()
    {
        new StateStore(Paths).WriteConfiguration(Spec with { Force = true });
        Assert.That(JsonFile.Read(Paths.ConfigurationOf("vm1"), JsonContext.Default.CreateSpec)!.Force, Is.False);
    }

    [Test]
    public void AForceThatAFormerVersionKeptIsIgnored()
    {
        JsonFile.Write(Paths.ConfigurationOf("vm1"), Spec with { Force = true }, JsonContext.Default.CreateSpec);
        Assert.That(new StateStore(Paths).ReadConfigurations().Single().Force, Is.False);
    }

    [Test]
    public void ADeviceThatComesFromItsConfigurationDoesNotWriteIt()
    {
        var store = new StateStore(Paths);
        using var undo = new Unwinder(NullLogger.Instance);
        store.Configure(Spec with { Unattended = true }, undo);
        store.Configure(Spec with { AtBoot = false }, undo);
        Assert.That(Directory.Exists(Paths.Configuration), Is.False);
        store.Configure(Spec, undo);
        Assert.That(store.ReadConfigurations(), Has.Count.EqualTo(1));
        undo.Keep();
    }

    [Test]
    public void AConfigurationIsUndoneToWhatItWas()
    {
        var store = new StateStore(Paths);
        using (var undo = new Unwinder(NullLogger.Instance))
        {
            store.Configure(Spec, undo);
        }

        Assert.That(store.ReadConfigurations(), Is.Empty);
        store.WriteConfiguration(Spec with { Cow = "/former" });
        using (var undo = new Unwinder(NullLogger.Instance))
        {
            store.Configure(Spec, undo);
            Assert.That(store.ReadConfigurations().Single().Cow, Is.EqualTo("/c"));
        }

        Assert.That(store.ReadConfigurations().Single().Cow, Is.EqualTo("/former"));
    }

    [Test]
    public void ADaemonIsStartedForADeviceThatIsOnlyConfigured()
    {
        new StateStore(Paths).WriteConfiguration(Spec);
        Assert.That(new DaemonStarter(Paths, null!).HasDevices, Is.True);
    }

    private static string Names(string directory) =>
        string.Join(' ', Directory.EnumerateFileSystemEntries(directory).Select(Path.GetFileName).Order(StringComparer.Ordinal));
}
