// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What does not apply to a reply is 0, or the kernel refuses it (PROTOCOL.md section 4).</summary>
internal sealed class CowReplyTests
{
    private const uint Generation = 3;
    private static readonly Sectors At = new(2048);

    [Test]
    public void MapSaysWhereChunksAreCommitted() => Assert.That(
        CowReply.Map(Generation, 7, 2, CowProtocol.CowDevice, At),
        Is.EqualTo(new CowReply { Op = CowOp.Map, Chunk = 7, Count = 2, Device = 1, Sector = At, Generation = 3 }));

    [Test]
    public void KnownZerosHaveNoSector() => Assert.That(
        CowReply.Known(Generation, 7, 2, CowProtocol.ZeroDevice, At),
        Is.EqualTo(new CowReply { Op = CowOp.Known, Chunk = 7, Count = 2, Device = uint.MaxValue, Generation = 3 }));

    [Test]
    public void KnownOfADeviceHasASector() => Assert.That(
        CowReply.Known(Generation, 7, 2, CowProtocol.BaseDevice, At),
        Is.EqualTo(new CowReply { Op = CowOp.Known, Chunk = 7, Count = 2, Sector = At, Generation = 3 }));

    [Test]
    public void ACopyNamesItsSource() => Assert.That(
        CowReply.Place(Generation, 9, 7, 2, 1, At, CowFill.Copy, 2, new Sectors(64)),
        Is.EqualTo(new CowReply
        {
            Op = CowOp.Place, Id = 9, Chunk = 7, Count = 2, Device = 1, Sector = At, Fill = CowFill.Copy,
            SourceDevice = 2, SourceSector = new Sectors(64), Generation = 3,
        }));

    [TestCase(CowFill.Zero)]
    [TestCase(CowFill.Nothing)]
    public void NothingButACopyNamesASource(CowFill fill) => Assert.That(
        CowReply.Place(Generation, 9, 7, 2, 1, At, fill, 2, new Sectors(64)),
        Is.EqualTo(new CowReply
        {
            Op = CowOp.Place, Id = 9, Chunk = 7, Count = 2, Device = 1, Sector = At, Fill = fill, Generation = 3,
        }));

    [Test]
    public void AnswersToFaultsCarryTheirId()
    {
        Assert.That(CowReply.Error(Generation, 9, Errno.ENOSPC),
            Is.EqualTo(new CowReply { Op = CowOp.Error, Id = 9, ErrorNumber = Errno.ENOSPC, Generation = 3 }));
        Assert.That(CowReply.Hold(Generation, 9),
            Is.EqualTo(new CowReply { Op = CowOp.Hold, Id = 9, Generation = 3 }));
    }

    [Test]
    public void FlushedCarriesTheNumberAndTheError()
    {
        Assert.That(CowReply.Flushed(Generation, 12),
            Is.EqualTo(new CowReply { Op = CowOp.Flushed, Number = 12, Generation = 3 }));
        Assert.That(CowReply.Flushed(Generation, 12, Errno.EIO),
            Is.EqualTo(new CowReply { Op = CowOp.Flushed, Number = 12, ErrorNumber = Errno.EIO, Generation = 3 }));
    }

    [Test]
    public void OrdersCarryTheGenerationAlone()
    {
        Assert.That(CowReply.Retry(Generation), Is.EqualTo(new CowReply { Op = CowOp.Retry, Generation = 3 }));
        Assert.That(CowReply.Commit(Generation), Is.EqualTo(new CowReply { Op = CowOp.Commit, Generation = 3 }));
        Assert.That(CowReply.Abandon(Generation), Is.EqualTo(new CowReply { Op = CowOp.Abandon, Generation = 3 }));
    }
}
