// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class FingerprintGuardTests
{
    private const string Cow = "/c";

    private static readonly BaseFingerprint Right = new("/b", 8192, [new FingerprintSample(0, 1), new FingerprintSample(4096, 2)]);
    private static readonly BaseFingerprint Wrong = Right with { Samples = [new FingerprintSample(0, 1), new FingerprintSample(4096, 3)] };

    private string _directory = "";

    private string Library => Path.Combine(_directory, "lib");

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AnotherBaseIsRefusedUntilItIsForced()
    {
        FingerprintGuard guard = Guard();
        guard.Remember(Cow, Right);
        Assert.That(() => guard.Check(Cow, Wrong, force: false), Throws.TypeOf<RefusedException>());
        guard.Check(Cow, Wrong, force: true);
        guard.Check(Cow, Wrong, force: false);
        Assert.That(() => guard.Check(Cow, Right, force: false), Throws.TypeOf<RefusedException>());
    }

    [Test]
    public void ABaseThatCannotBeRememberedIsNoReasonToRefuse()
    {
        File.WriteAllText(Library, "a file where the directory should be");
        FingerprintGuard guard = Guard();
        Assert.That(() => guard.Remember(Cow, Right), Throws.Nothing);
    }

    private FingerprintGuard Guard() => new(new DaemonPaths(Path.Combine(_directory, "run"), Path.Combine(_directory, "etc"), Library), NullLogger.Instance);
}
