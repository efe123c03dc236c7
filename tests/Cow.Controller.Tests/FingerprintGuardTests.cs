// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class FingerprintGuardTests
{
    private static readonly CreateSpec Spec = new("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);
    private static readonly CreateSpec Forced = Spec with { Force = true };
    private static readonly BaseFingerprint Right = new("/b", 8192, [new FingerprintSample(0, 1), new FingerprintSample(4096, 2)]);
    private static readonly BaseFingerprint Wrong = Right with { Samples = [new FingerprintSample(0, 1), new FingerprintSample(4096, 3)] };

    private string _directory = "";

    private DaemonPaths Paths => new(Path.Combine(_directory, "run"), Path.Combine(_directory, "etc"), Library);

    private string Library => Path.Combine(_directory, "lib");

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AnotherBaseIsRefusedUntilItIsForced()
    {
        FingerprintGuard guard = Guard();
        guard.Remember(Spec.Cow, Right);
        Assert.That(() => guard.Check(Spec, Wrong), Throws.TypeOf<RefusedException>());
        guard.Check(Forced, Wrong);
        guard.Check(Spec, Wrong);
        Assert.That(() => guard.Check(Spec, Right), Throws.TypeOf<RefusedException>());
    }

    [Test]
    public void AnEmptyStoreIsOfNoBaseYetWhateverItsPathWasMadeOn()
    {
        FingerprintGuard guard = Guard();
        guard.Remember(Spec.Cow, Right);
        Assert.That(() => guard.Check(Spec, Wrong, empty: false), Throws.TypeOf<RefusedException>());
        guard.Check(Spec, Wrong, empty: true);
        Assert.That(() => guard.Check(Spec, Right, empty: false), Throws.TypeOf<RefusedException>());
        guard.CheckBacking(Spec, Right, made: true);
        Assert.That(() => guard.CheckBacking(Spec, Wrong), Throws.TypeOf<RefusedException>());
    }

    [Test]
    public void NobodyWantedAnotherBaseAtBoot()
    {
        CreateSpec atBoot = Spec with { Fingerprint = Right, Unattended = true };
        Assert.That(() => Guard().Check(atBoot, Wrong, empty: true), Throws.TypeOf<RefusedException>());
    }

    [Test]
    public void ABaseThatCannotBeRememberedIsNoReasonToRefuse()
    {
        File.WriteAllText(Library, "a file where the directory should be");
        FingerprintGuard guard = Guard();
        Assert.That(() => guard.Remember(Spec.Cow, Right), Throws.Nothing);
    }

    [Test]
    public void WhatIsRememberedIsDurable()
    {
        var flushed = new List<string>();
        new FingerprintGuard(Paths, NullLogger.Instance, flushed.Add).Remember(Spec.Cow, Right);
        Assert.That(flushed, Is.EqualTo(new[] { Library, _directory }));
    }

    [Test]
    public void TheConfigurationRemembersTheBaseWhereVarIsNotMounted()
    {
        var states = new StateStore(Paths);
        states.WriteConfiguration(Spec with { Fingerprint = Right });
        CreateSpec atBoot = states.ReadConfigurations().Single();
        FingerprintGuard guard = Guard();
        Assert.That(() => guard.Check(atBoot, Wrong), Throws.TypeOf<RefusedException>());
        Assert.That(() => guard.CheckBacking(atBoot, Wrong), Throws.TypeOf<RefusedException>());
        guard.Check(atBoot, Right);
        guard.CheckBacking(atBoot, Right);
        Assert.That(Directory.Exists(Library), Is.False, "nothing new was learnt");
    }

    [Test]
    public void AnImageThatWasRebasedSinceItWasConfiguredIsCheckedOnItsNewBase()
    {
        CreateSpec atBoot = Spec with { Fingerprint = Right with { Base = "/former" } };
        FingerprintGuard guard = Guard();
        guard.CheckBacking(atBoot, Right);
        Assert.That(() => guard.CheckBacking(atBoot, Wrong), Throws.TypeOf<RefusedException>());
    }

    private FingerprintGuard Guard() => new(Paths, NullLogger.Instance);
}
