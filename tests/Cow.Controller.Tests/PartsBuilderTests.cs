// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.DmIoctl.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What a path of <c>create</c> may lead to.</summary>
[TestFixture]
internal sealed class PartsBuilderTests
{
    private string _directory = "";

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AFileIsThereOrNot()
    {
        Assert.That(PartsBuilder.Exists(In("file")), Is.False);
        Assert.That(Refusal("file", Existing), Is.EqualTo((ExitCode.NotFound, "does not exist")));
        File.WriteAllText(In("file"), "");
        File.CreateSymbolicLink(In("link"), In("file"));
        Assert.That(PartsBuilder.Exists(In("file")));
        Assert.That(PartsBuilder.Existing(In("link")), Is.EqualTo(In("link")));
    }

    [Test]
    public void WhatIsNoFileIsRefusedAndNotWaitedFor()
    {
        Directory.CreateSymbolicLink(In("way"), _directory);
        using (Process mkfifo = Process.Start("mkfifo", [In("pipe")]))
        {
            mkfifo.WaitForExit();
        }

        foreach (string name in (string[])["", "way", "pipe"])
        {
            Assert.That(Refusal(name, Exists), Is.EqualTo((ExitCode.BadStore, "is neither a regular file nor a block device")), name);
            Assert.That(Refusal(name, Existing), Is.EqualTo((ExitCode.BadStore, "is neither a regular file nor a block device")), name);
        }
    }

    [Test]
    public void ALinkToNothingIsSaidToBeOne()
    {
        File.CreateSymbolicLink(In("link"), In("gone"));
        Assert.That(Refusal("link", Exists), Is.EqualTo((ExitCode.NotFound, $"is a link to {In("gone")}, which does not exist")));
    }

    /// <summary>As if the process were killed before its state is written: nobody would know of the device.</summary>
    [Test]
    [Category("Root")]
    public void ALoopDeviceStaysWhenItIsOnRecord()
    {
        LoopDevices.Require();
        File.WriteAllBytes(In("file"), new byte[4096]);
        using var undo = new Unwinder(NullLogger.Instance);
        PartsBuilder parts = Parts(In("run"), undo);
        parts.Cow(In("file"), readOnly: false);
        using (LoopDevice? kept = LoopDevice.FindByBackingFile(In("file")))
        {
            Assert.That(kept?.Path, Is.EqualTo(parts.State.CowDevice));
        }

        PartsBuilder.Release(parts.State);
        File.WriteAllText(In("none"), "");
        PartsBuilder unwritten = Parts(In("none"), undo);
        Assert.That(() => unwritten.Cow(In("file"), readOnly: false), Throws.InstanceOf<IOException>());
        Assert.That(() => LoopDevice.FindByBackingFile(In("file")), Is.Null.After(5000, 50));
    }

    private static PartsBuilder Parts(string run, Unwinder undo) => new(
        new StateStore(new DaemonPaths(run, "", "")), undo,
        DeviceState.Of(new CreateSpec("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false)));

    private static void Exists(string path) => _ = PartsBuilder.Exists(path);

    private static void Existing(string path) => _ = PartsBuilder.Existing(path);

    private (ExitCode Code, string Reason) Refusal(string name, Action<string> look)
    {
        Failure failure = Assert.Throws<RefusedException>(() => look(In(name)))!.Failure;
        return (failure.Code, failure.Reason);
    }

    private string In(string name) => Path.Combine(_directory, name);
}
