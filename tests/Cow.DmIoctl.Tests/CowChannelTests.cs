// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>The records, and the channel on a file that is none; the real module answers in the virtual machine.</summary>
internal sealed class CowChannelTests
{
    private CowChannel _channel = null!;

    [SetUp]
    public void Open() => _channel = new CowChannel(FileOpen.Open("/dev/null", FileNumbers.ReadWrite));

    [TearDown]
    public void Close() => _channel.Dispose();

    [Test]
    public void AnEventIsReadFromItsBytes()
    {
        byte[] bytes =
        [
            6, 0, 0, 0, // type FLUSH
            8, 0, 0, 0, // flags SELF_FLUSH
            0, 0, 0, 0, 0, 0, 0, 0, // id
            0, 0, 0, 0, 0, 0, 0, 0, // chunk
            0, 0, 0, 0, 0, 0, 0, 0, // count
            44, 1, 0, 0, 0, 0, 0, 0, // number 300
            0, 0, 0, 0, 0, 0, 0, 0, // sector
            0, 0, 0, 0, // device
            0, 0, 0, 0, // error
            0, 0, 0, 0, 0, 0, 0, 0, // reserved
        ];
        Assert.That(MemoryMarshal.Read<CowEvent>(bytes), Is.EqualTo(new CowEvent
        {
            Type = CowEventType.Flush, Flags = CowEventFlags.SelfFlush, Number = 300,
        }));
    }

    [Test]
    public void AReplyIsWrittenAsItsBytes()
    {
        var reply = CowReply.Place(3, 0x0102, 7, 2, 1, new Sectors(2048), CowFill.Copy, 2, new Sectors(64));
        byte[] expected =
        [
            3, 0, 0, 0, // op PLACE
            1, 0, 0, 0, // fill COPY
            2, 1, 0, 0, 0, 0, 0, 0, // id
            7, 0, 0, 0, 0, 0, 0, 0, // chunk
            2, 0, 0, 0, 0, 0, 0, 0, // count
            0, 8, 0, 0, 0, 0, 0, 0, // sector 2048
            0, 0, 0, 0, 0, 0, 0, 0, // number
            64, 0, 0, 0, 0, 0, 0, 0, // source_sector
            1, 0, 0, 0, // device
            2, 0, 0, 0, // source_device
            0, 0, 0, 0, // error
            3, 0, 0, 0, // generation
        ];
        Assert.That(MemoryMarshal.AsBytes([reply]).ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void AFailedExchangeIsAnException() =>
        Assert.That(() => _channel.Exchange([CowReply.Retry(1)], new CowEvent[1], -1),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENOTTY));

    [Test]
    public void AFailedWakeIsAnException() =>
        Assert.That(_channel.Wake, Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENOTTY));

    [Test]
    public void TheFaultPathAllocatesNothing()
    {
        var events = new CowEvent[2];
        CowReply[] replies = [CowReply.Hold(1, 2), CowReply.Retry(1)];
        _channel.TryExchange(replies, events, -1, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            _channel.TryExchange(replies, events, -1, out _);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void AMissingNodeSaysWhatToDo()
    {
        if (File.Exists("/dev/dm-cow"))
        {
            Assert.Ignore("the module is loaded on this machine");
        }

        Assert.That(CowChannel.Open, Throws.TypeOf<LinuxException>().With.Message.Contains("modprobe dm-cow"));
        Assert.That(CowChannel.List, Throws.TypeOf<LinuxException>().With.Message.StartsWith("/dev/dm-cow: open: "));
    }

    [Test]
    public void TheNextIdentInByteOrderIsTheOneThatIsLookedFor()
    {
        string[] idents = ["d", "d1", "d11", "d11~", "d11" + new string('~', 124), "d12", "d120", "d13", "c~", "D12", "+"];
        byte[] before = new byte[128];
        foreach (string ident in idents)
        {
            CowChannel.WriteBefore(ident, before);
            string? next = idents.Where(other => AsBytes(other).AsSpan().SequenceCompareTo(before) > 0)
                .MinBy(AsBytes, Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b)));
            Assert.That(next, Is.EqualTo(ident));
        }
    }

    [Test]
    public void AnIdentThatDoesNotFitIsRefused()
    {
        Assert.That(() => _channel.Attach("", false), Throws.ArgumentException);
        Assert.That(() => _channel.Attach(new string('x', 128), false), Throws.ArgumentException);
        Assert.That(() => _channel.Attach("a\0b", false), Throws.ArgumentException);
    }

    [Test]
    public void AnAttachThatTheKernelRefusesNamesTheIdent()
    {
        Assert.That(() => _channel.Attach("ident", false), Throws.TypeOf<LinuxException>()
            .With.Message.StartsWith("ident: DM_COW_IOC_ATTACH: ").And.Property("Errno").EqualTo(Errno.ENOTTY));
        Assert.That(_channel.Owner, Is.Zero);
    }

    private static byte[] AsBytes(string ident)
    {
        byte[] room = new byte[128];
        CText.Write(ident, room);
        return room;
    }
}
