// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Disk images that a former daemon had open.</summary>
[TestFixture]
internal sealed class ImageTakeoverTests
{
    private const ulong DiskBytes = 4 << 20;

    private readonly MetadataCache _cache = new();
    private string _directory = "";

    private CreateSpec Spec => new("vm1", null, Path.Combine(_directory, "image"), null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false)
    {
        Image = new DeviceImageSpec([], null, null, 0),
    };

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    /// <summary>Clusters that the killed daemon had set aside are counted in the image, and nothing names them.</summary>
    [TestCase("cluster_size=4K")]
    [TestCase("cluster_size=4K,data_file=data")]
    public void WhatAKilledDaemonHadSetAsideIsFreeOnceTheNextOneClosesTheImage(string settings)
    {
        Make(settings);
        using (ImageStore killed = Open(Spec))
        {
            PlacedRun placed = killed.Chain.Allocate(new ChunkRun(0, 1)).Placed;
            IImageFile data = killed.Chain.Images[0].Info.Files[placed.Place.Device];
            data.WriteAt(new byte[4096], (long)placed.Place.Sector * 512);
            killed.Chain.Commit([placed]);
            killed.Chain.Flush();
        }

        Assert.That(Check().Leaks, Is.Not.Empty, "else it shows nothing");
        using (ImageStore next = Open(Spec, DeviceState.Of(Spec)))
        {
            next.Close();
        }

        CheckReport report = Check();
        Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
    }

    private void Make(string settings)
    {
        File.WriteAllBytes(Spec.Cow, []);
        using var opener = new DirectoryOpener(_cache, [], DirectFile.OpenResolved);
        OpenedFile file = opener.OpenGiven(Spec.Cow, writable: true);
        Dictionary<string, string> named = settings.Split(',').Select(static s => s.Split('=')).ToDictionary(static s => s[0], static s => s[1]);
        using ImageChain made = ImageStack.Create(
            new ImageSource(file.File, file.Path, opener), ImageRegistry.Find("qcow2")!, new ImageCreateOptions(DiskBytes, null, named));
        made.Close();
    }

    private ImageStore Open(CreateSpec spec, DeviceState? served = null) => ImageStore.Open(spec, _cache, static (_, _) => { }, served);

    private CheckReport Check()
    {
        using ImageStore read = Open(Spec with { ReadOnly = true });
        return read.Chain.Check();
    }
}
