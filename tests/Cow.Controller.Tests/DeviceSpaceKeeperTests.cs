// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Which blocks the sparse file of a store is given before places in it are given out.</summary>
[TestFixture]
internal sealed class DeviceSpaceKeeperTests
{
    private const long Mebibyte = 1 << 20;
    private const long PlaceBytes = 64 << 10;
    private const long FileBytes = 64 * Mebibyte;

    /// <summary>How far ahead blocks are taken.</summary>
    private const long Ahead = 8 * Mebibyte;

    private string _path = "";
    private DeviceSpaceKeeper _keeper = null!;

    private long Occupied => SparseFile.OccupiedBytes(_path);

    [SetUp]
    public void MakeFile()
    {
        _path = Path.GetTempFileName();
        using (FileStream file = File.OpenWrite(_path))
        {
            file.SetLength(FileBytes);
        }

        try
        {
            // No loop device is needed: nothing is written.
            _keeper = new DeviceSpaceKeeper(_path, _path, readOnly: false);
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            Assert.Ignore("the file system of temporary files has no O_DIRECT");
        }
    }

    [TearDown]
    public void RemoveFile()
    {
        _keeper?.Dispose();
        File.Delete(_path);
    }

    [Test]
    public void AStoreThatIsHardlyUsedTakesNothingAhead()
    {
        Take(0);
        Assert.That(Occupied, Is.EqualTo(PlaceBytes));
    }

    [Test]
    public void WhatLiesInFrontOfTheLastPlaceOfTheFileGetsBlocks()
    {
        Take(FileBytes - PlaceBytes);
        Take(FileBytes - (24 * PlaceBytes));
        Assert.That(Occupied, Is.EqualTo(2 * PlaceBytes));
    }

    [Test]
    public void AGapBetweenPlacesIsNotTakenForAllocated()
    {
        Take(20 * Mebibyte);
        Take(15 * Mebibyte);
        Take(17 * Mebibyte);
        Assert.That(Occupied, Is.EqualTo(3 * PlaceBytes));
    }

    [Test]
    public void PlacesOneBehindTheOtherGetBlocksAhead()
    {
        Take(Mebibyte);
        Take(Mebibyte + PlaceBytes);
        Assert.That(Occupied, Is.EqualTo((2 * PlaceBytes) + Ahead));
        Take(Mebibyte + (5 * PlaceBytes));
        Assert.That(Occupied, Is.EqualTo((2 * PlaceBytes) + Ahead));
    }

    [Test]
    public void MetadataInFrontOfItsDataIsPartOfTheStream()
    {
        Take(Mebibyte);
        Take(Mebibyte - PlaceBytes);
        Take(Mebibyte + PlaceBytes);
        Assert.That(Occupied, Is.EqualTo((3 * PlaceBytes) + Ahead));
        Take(Mebibyte - PlaceBytes);
        Take(Mebibyte);
        Assert.That(Occupied, Is.EqualTo((3 * PlaceBytes) + Ahead));
    }

    [Test]
    public void NothingIsTakenBehindTheEndOfTheFile()
    {
        Take(FileBytes - (3 * PlaceBytes));
        Take(FileBytes - (2 * PlaceBytes));
        Take(FileBytes - PlaceBytes);
        Assert.That((Occupied, new FileInfo(_path).Length), Is.EqualTo((3 * PlaceBytes, FileBytes)));
    }

    private void Take(long offset) => Assert.That(_keeper.Ensure(0, new ByteRange(offset, PlaceBytes)), Is.True);
}
