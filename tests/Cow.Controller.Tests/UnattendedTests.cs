// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>A device that is created from its configuration gets its own store or none.</summary>
[TestFixture]
internal sealed class UnattendedTests
{
    private const int DeviceBytes = 16 << 20;
    private const int StoreBytes = 1 << 20;

    private string _directory = "";

    private string Cow => Path.Combine(_directory, "cow");

    private CreateSpec Attended => new("vm1", Path.Combine(_directory, "base"), Cow, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);

    private CreateSpec Spec => Attended with { Unattended = true };

    private CreateSpec ImageSpec => Spec with { Format = "qcow2", Image = new DeviceImageSpec([], "raw", null, 0) };

    [SetUp]
    public void SetUp()
    {
        _directory = Directory.CreateTempSubdirectory("cow").FullName;
        File.WriteAllBytes(Attended.Base!, new byte[4096]);
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void WhatIsReadFromTheConfigurationIsUnattendedAndNothingElseIs()
    {
        var store = new StateStore(new DaemonPaths(Path.Combine(_directory, "run"), Path.Combine(_directory, "etc"), Path.Combine(_directory, "lib")));
        store.WriteConfiguration(Attended);
        Assert.That(store.ReadConfigurations().Single().Unattended, Is.True);
        store.Write(DeviceState.Of(Spec));
        Assert.That(store.Read("vm1")!.Spec.Unattended, Is.False);
    }

    [Test]
    public void ABlankStoreIsNotMadeOne()
    {
        File.WriteAllBytes(Cow, new byte[StoreBytes]);
        Assert.That(Refusal(() => Open(Spec)).Code, Is.EqualTo(ExitCode.BadStore));
        Assert.That(File.ReadAllBytes(Cow), Is.All.Zero);
    }

    [Test]
    public void AStoreThatIsThereIsOpened()
    {
        File.WriteAllBytes(Cow, new byte[StoreBytes]);
        Open(Attended);
        byte[] made = File.ReadAllBytes(Cow);
        Assert.That(made, Has.Some.Not.Zero, "an attended one is made");
        Open(Spec);
        Assert.That(File.ReadAllBytes(Cow), Is.EqualTo(made), "an unattended one is opened");
    }

    [Test]
    public void AnImageThatIsNotThereIsNotMade()
    {
        Assert.That(Refusal(() => OpenImage(ImageSpec)).Code, Is.EqualTo(ExitCode.NotFound));
        Assert.That(File.Exists(Cow), Is.False);
    }

    [Test]
    public void TheReasonTellsAMissingStoreFromABlankOne()
    {
        Assert.That(Refusal(() => StoreOpener.MayMake(Spec, Cow)).Reason, Is.EqualTo("is not there yet"));
        File.WriteAllBytes(Cow, []);
        Assert.That(Refusal(() => StoreOpener.MayMake(Spec, Cow)).Reason, Is.EqualTo("holds no store"));
        Assert.That(() => StoreOpener.MayMake(Attended, Cow), Throws.Nothing);
    }

    private static Failure Refusal(Action act) => Assert.Throws<RefusedException>(act)!.Failure;

    private void Open(CreateSpec spec)
    {
        using var store = new OpenedStore(DeviceState.Of(spec) with { CowDevice = Cow }, readOnly: false);
        _ = StoreOpener.OpenOrCreate(store, spec, DeviceBytes);
        store.Close();
    }

    private void OpenImage(CreateSpec spec)
    {
        var states = new StateStore(new DaemonPaths(Path.Combine(_directory, "run"), "", ""));
        using var undo = new Unwinder(NullLogger.Instance);
        using var locks = new ImageLocks();
        var images = new ImageParts(new PartsBuilder(states, undo, DeviceState.Of(spec)), undo, new UseChecks(null!), locks);
        _ = images.Open(spec, (_, _) => throw new InvalidOperationException("there is nothing to be opened"));
    }
}
