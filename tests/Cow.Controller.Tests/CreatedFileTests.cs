// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What a daemon deletes of a device that the one before it had begun and not finished.</summary>
[TestFixture]
internal sealed class CreatedFileTests
{
    private string _directory = "";

    private string Store => Path.Combine(_directory, "vm1.cow");

    private StateStore States =>
        new(new DaemonPaths(Path.Combine(_directory, "run"), Path.Combine(_directory, "etc"), Path.Combine(_directory, "lib")));

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AFileThatNobodyTouchedGoes()
    {
        _ = Made();
        PartsBuilder.Undo(States.Read("vm1")!);
        Assert.That(File.Exists(Store), Is.False);
    }

    [Test]
    public void WhatItsMakerWroteAndKeptRecordOfGoes()
    {
        PartsBuilder parts = Made();
        Later();
        File.WriteAllText(Store, "an empty store");
        parts.Set(parts.State with { Format = "snapshot" });
        PartsBuilder.Undo(States.Read("vm1")!);
        Assert.That(File.Exists(Store), Is.False);
    }

    [Test]
    public void ACopyInItsPlaceStays()
    {
        PartsBuilder parts = Made();
        File.WriteAllText(Store + ".copy", "an operator's");
        File.Move(Store + ".copy", Store, overwrite: true);
        // Not even where its maker lived on meanwhile.
        parts.Set(parts.State with { Format = "snapshot" });
        PartsBuilder.Undo(States.Read("vm1")!);
        Assert.That(File.ReadAllText(Store), Is.EqualTo("an operator's"));
    }

    [Test]
    public void ACopyIntoItStays()
    {
        _ = Made();
        Later();
        File.WriteAllText(Store, "an operator's");
        File.SetLastWriteTimeUtc(Store, DateTime.UnixEpoch);
        PartsBuilder.Undo(States.Read("vm1")!);
        Assert.That(File.ReadAllText(Store), Is.EqualTo("an operator's"));
    }

    [Test]
    public void WhoFailsTakesItsFileBack()
    {
        using (var undo = new Unwinder(NullLogger.Instance))
        {
            _ = Made(undo);
        }

        Assert.That(File.Exists(Store), Is.False);
    }

    /// <summary>Longer than the clock of a file system takes to tick.</summary>
    private static void Later() => Thread.Sleep(50);

    private PartsBuilder Made()
    {
        // Its maker is killed: it takes nothing back.
        using var undo = new Unwinder(NullLogger.Instance);
        PartsBuilder parts = Made(undo);
        undo.Keep();
        return parts;
    }

    private PartsBuilder Made(Unwinder undo)
    {
        var spec = new CreateSpec("vm1", "/b", Store, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);
        var parts = new PartsBuilder(States, undo, DeviceState.Of(spec));
        parts.CreateFile(Store, 4096);
        return parts;
    }
}
