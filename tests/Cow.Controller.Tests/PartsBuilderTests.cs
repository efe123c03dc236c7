// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
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

    private static void Exists(string path) => _ = PartsBuilder.Exists(path);

    private static void Existing(string path) => _ = PartsBuilder.Existing(path);

    private (ExitCode Code, string Reason) Refusal(string name, Action<string> look)
    {
        Failure failure = Assert.Throws<RefusedException>(() => look(In(name)))!.Failure;
        return (failure.Code, failure.Reason);
    }

    private string In(string name) => Path.Combine(_directory, name);
}
