// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What of an image is there from the start, and what the kernel gets of that in advance.</summary>
[TestFixture]
internal sealed class ImageSpaceKeeperTests
{
    private const long Mebibyte = 1 << 20;
    private const ulong ChunkSectors = 8;
    private const ulong ChunkBytes = ChunkSectors * ChunkGeometry.SectorBytes;

    /// <summary>What a pool begins with in a file.</summary>
    private const ulong FirstOfFile = (ulong)Mebibyte / ChunkBytes;

    private static readonly ChunkGeometry Geometry = new(1UL << 22, ChunkSectors);

    /// <summary>Read-only, for the file's loop device is asked of the kernel otherwise.</summary>
    [TestCase(new[] { false }, true)]
    [TestCase(new[] { false, false }, true)]
    [TestCase(new[] { true }, false)]
    [TestCase(new[] { false, true }, false)]
    [TestCase(new[] { true, false }, false)]
    public void AllIsThereWhereEveryFileIsADevice(bool[] canGrow, bool all)
    {
        using ImageSpaceKeeper keeper = Keeper(readOnly: true, [.. canGrow.Select(grows => new SizedFile(Mebibyte, grows))]);
        Assert.That(keeper.HasAll, Is.EqualTo(all));
    }

    [Test]
    public void WhatLiesBehindTheEndOfADeviceIsRefusedUntilItHasGrown()
    {
        var device = new SizedFile(Mebibyte);
        using ImageSpaceKeeper keeper = Keeper(readOnly: false, new SizedFile(4 * Mebibyte), device);
        var last = new ByteRange(Mebibyte - 4096, 4096);
        var across = new ByteRange(Mebibyte - 4096, 4097);
        Assert.That((keeper.HasAll, keeper.Ensure(1, last), keeper.Ensure(1, across), keeper.Ensure(0, across)), Is.EqualTo((true, true, false, true)));
        device.Length = 2 * Mebibyte;
        Assert.That((keeper.HasAll, keeper.Ensure(1, across)), Is.EqualTo((true, true)));
    }

    [Test]
    public void OnADeviceAPoolBeginsWithMoreThanInAFile()
    {
        using var store = new ScatteredPlaces();
        using ImageSpaceKeeper keeper = Keeper(readOnly: false, new SizedFile(1024 * Mebibyte));
        Assert.That(Granted(store, keeper).Left, Is.GreaterThanOrEqualTo(4 * FirstOfFile));
    }

    [Test]
    public void BesideAFileAPoolBeginsAsInAFile()
    {
        using var store = new ScatteredPlaces();
        using ImageSpaceKeeper keeper = Keeper(readOnly: true, new SizedFile(1024 * Mebibyte), new SizedFile(Mebibyte, canGrow: true));
        Assert.That(Granted(store, keeper).Left, Is.EqualTo(FirstOfFile));
    }

    /// <summary>Of <see cref="ScatteredPlaces"/> there is one in each 8 KiB.</summary>
    [Test]
    public void APoolEndsWhereItsDeviceEnds()
    {
        using var store = new ScatteredPlaces();
        var device = new SizedFile(Mebibyte);
        using ImageSpaceKeeper keeper = Keeper(readOnly: false, device);
        Grants grants = Granted(store, keeper);
        Assert.That(grants.Left, Is.EqualTo(FirstOfFile / 2));
        device.Length = 2 * Mebibyte;
        grants.TopUp(Replies(), now: 1);
        Assert.That(grants.Left, Is.EqualTo(FirstOfFile));
    }

    [TestCase(0, FirstOfFile)]
    [TestCase(1, 0UL)]
    public void ARangeIsGrantedWhereTheDeviceHasAllOfIt(long missing, ulong granted)
    {
        using var disk = new MemoryDisk("store", 2 * Mebibyte);
        using ICowFormat store = FormatRegistry.Find("bitmap")!.Create(new FormatFiles(disk), new CreateOptions((ulong)Mebibyte, (uint)ChunkSectors));
        using ImageSpaceKeeper keeper = Keeper(readOnly: false, new SizedFile(EndOfRange((IGrantingFormat)store) - missing));
        Assert.That(Granted(store, keeper).Left, Is.EqualTo(granted));
    }

    private static long EndOfRange(IGrantingFormat store)
    {
        PlaceGrant all = store.Reserve(1);
        store.Release(all);
        return (long)((all.Place.Sector + (all.Count * ChunkSectors)) * ChunkGeometry.SectorBytes);
    }

    private static Grants Granted(ICowFormat store, ImageSpaceKeeper keeper)
    {
        var grants = new Grants(store, keeper, Geometry);
        grants.Serve(CowFeatures.Grant);
        grants.TopUp(Replies(), now: 0);
        return grants;
    }

    private static ReplyBuffer Replies() => new(Geometry, new DeviceIndices(0), 1);

    /// <summary>Of an image that is in these files.</summary>
    private static ImageSpaceKeeper Keeper(bool readOnly, params IImageFile[] files)
    {
        string[] paths = [.. files.Select(static file => file.Name)];
        var info = new ImageInfo("fake", 1UL << 31, (uint)ChunkSectors, files, paths, null, null, []);
        return new ImageSpaceKeeper(info, paths, readOnly);
    }
}
