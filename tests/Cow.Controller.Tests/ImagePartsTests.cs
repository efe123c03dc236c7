// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.DmIoctl.Tests;
using Cow.Formats.Images;
using Cow.Formats.Io;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What <c>create</c> asks of a disk image, where it is made and where it is there already.</summary>
[TestFixture]
internal sealed class ImagePartsTests
{
    private const ulong DiskSectors = 8192;
    private const ulong ClusterSectors = 64;
    private const ulong SubclusterSectors = ClusterSectors / 32;

    private static readonly DeviceImageSpec Settings = new([], "raw", null, 0) { Settings = ["extended_l2=on"] };

    private string _directory = "";

    private string Cow => Path.Combine(_directory, "cow");

    private CreateSpec Plain => new(
        "vm1", Path.Combine(_directory, "base"), Cow, null, "qcow2", null, [], null, null, NoSpacePolicy.Wait, false, false, false)
    {
        Image = Settings with { Settings = [] },
    };

    private CreateSpec New => Plain with { ChunkSectors = ClusterSectors, SizeSectors = DiskSectors / 2, Image = Settings };

    [SetUp]
    public void SetUp()
    {
        _directory = Directory.CreateTempSubdirectory("cow").FullName;
        File.WriteAllBytes(Plain.Base!, new byte[DiskSectors * 512]);
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AnImageThatIsThereIsNotAnotherOne()
    {
        MakeImage();
        byte[] before = File.ReadAllBytes(Cow);
        Assert.Multiple(() =>
        {
            Assert.That(Refusal(Plain with { SizeSectors = DiskSectors }), Is.EqualTo(new Failure(
                ExitCode.BadStore, Cow, "is an image of 4096 sectors, 8192 are asked for", "leave --size out, or give another COW")));
            Assert.That(Refusal(Plain with { ChunkSectors = 128 }), Is.EqualTo(new Failure(
                ExitCode.BadStore, Cow, "is an image with clusters of 64 sectors, 128 are asked for", "leave CHUNK out, or give another COW")));
        });
        Assert.That(File.ReadAllBytes(Cow), Is.EqualTo(before));
    }

    [Test]
    public void WhatAnImageHasMayBeAskedOfIt()
    {
        MakeImage();
        using ImageStore store = ImageStore.Open(Plain, new MetadataCache(), static (_, _) => { });
        ImageInfo image = store.Chain.Images[0].Info;
        CreateSpec[] specs =
        [
            Plain, New, Plain with { SizeSectors = DiskSectors / 2 }, Plain with { ChunkSectors = ClusterSectors }, Plain with { ChunkSectors = SubclusterSectors },
            // As its configuration has it, of which the image may have become another one.
            New with { Unattended = true }, New with { Unattended = true, SizeSectors = DiskSectors },
        ];
        Assert.Multiple(() =>
        {
            foreach (CreateSpec spec in specs)
            {
                Assert.That(() => ImageParts.RequireAsked(image, spec), Throws.Nothing);
            }
        });
    }

    [Test]
    public void AnImageIsNoDirectory()
    {
        Assert.That(Refusal(Plain with { Cow = _directory }).Reason, Is.EqualTo("is neither a regular file nor a block device"));
        Assert.That(Refusal(Plain with { Base = _directory }).Reason, Is.EqualTo("is neither a regular file nor a block device"));
    }

    [Test]
    [Category("Root")]
    public void ANewImageIsMadeAsItIsAsked()
    {
        LoopDevices.Require();
        PartsBuilder parts = Open(New);
        Assert.That((parts.State.Sectors, parts.State.ChunkSectors), Is.EqualTo((DiskSectors / 2, SubclusterSectors)));
    }

    private void MakeImage()
    {
        File.WriteAllBytes(Cow, []);
        NewImage.Over(New.Base!, New);
    }

    private Failure Refusal(CreateSpec spec) => Assert.Throws<RefusedException>(() => Open(spec))!.Failure;

    private PartsBuilder Open(CreateSpec spec)
    {
        var states = new StateStore(new DaemonPaths(Path.Combine(_directory, "run"), "", ""));
        using var undo = new Unwinder(NullLogger.Instance);
        using var locks = new ImageLocks();
        var parts = new PartsBuilder(states, undo, DeviceState.Of(spec));
        _ = new ImageParts(parts, undo, new UseChecks(null!), locks).Open(spec, static (asked, claim) => ImageStore.Open(asked, new MetadataCache(), claim));
        return parts;
    }
}
