// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>The channel against a pipe; the real module answers in the virtual machine.</summary>
internal sealed class CowChannelTests
{
    private static readonly CowEvent Fault = new()
    {
        Type = CowEventType.WriteFault, Flags = CowEventFlags.Unknown, Id = 0x0102_0304_0506_0708, Chunk = 5, Count = 2,
    };

    private Fifo _fifo = null!;
    private SafeFileHandle _kernel = null!;
    private CowChannel _channel = null!;

    [SetUp]
    public void OpenBothEnds()
    {
        _fifo = new Fifo();
        _kernel = _fifo.Open();
        _channel = new CowChannel(_fifo.Open());
    }

    [TearDown]
    public void CloseBothEnds()
    {
        _channel.Dispose();
        _kernel.Dispose();
        _fifo.Dispose();
    }

    [Test]
    public void AnEventIsReadFromItsBytes()
    {
        Fifo.Send(_kernel,
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
        ]);
        var events = new CowEvent[4];
        Assert.That(_channel.Read(events), Is.EqualTo(1));
        Assert.That(events[0], Is.EqualTo(new CowEvent
        {
            Type = CowEventType.Flush, Flags = CowEventFlags.SelfFlush, Number = 300,
        }));
    }

    [Test]
    public void AReplyIsWrittenAsItsBytes()
    {
        var reply = CowReply.Place(3, 0x0102, 7, 2, 1, new Sectors(2048), CowFill.Copy, 2, new Sectors(64));
        Assert.That(_channel.Write([reply], out var error), Is.EqualTo(1));
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
        Assert.That(error, Is.EqualTo(Errno.None));
        Assert.That(Fifo.Receive(_kernel, 4096), Is.EqualTo(expected));
    }

    [Test]
    public void ManyEventsAreReadAtOnce()
    {
        var sent = Enumerable.Range(0, 5).Select(i => Fault with { Chunk = (ulong)i }).ToArray();
        Fifo.Send(_kernel, MemoryMarshal.AsBytes(sent.AsSpan()));
        var events = new CowEvent[3];
        Assert.That(_channel.Read(events), Is.EqualTo(3));
        Assert.That(events, Is.EqualTo(sent[..3]));
        Assert.That(_channel.Read(events), Is.EqualTo(2));
        Assert.That(_channel.Read(events), Is.Zero);
    }

    [Test]
    public void NoRoomReadsNothing() => Assert.That(_channel.Read([]), Is.Zero);

    [Test]
    public void PartOfARecordIsRefused()
    {
        Fifo.Send(_kernel, new byte[Unsafe.SizeOf<CowEvent>() + 1]);
        Assert.That(() => _channel.Read(new CowEvent[2]),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EPROTO));
    }

    [Test]
    public void ARefusedReplyIsAValue()
    {
        using var full = new CowChannel(FileOpen.Open("/dev/full", FileNumbers.ReadWrite));
        Assert.That(full.Write([CowReply.Retry(1)], out var error), Is.Zero);
        Assert.That(error, Is.EqualTo(Errno.ENOSPC));
    }

    [Test]
    public void AFailedReadIsAnException()
    {
        using var writeOnly = new CowChannel(FileOpen.Open("/dev/full", FileNumbers.WriteOnly));
        Assert.That(() => writeOnly.Read(new CowEvent[1]),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EBADF));
    }

    [Test]
    public void PollTellsOfEvents()
    {
        using var wake = new WakeEvent();
        Assert.That(_channel.Poll(wake, 0), Is.EqualTo(ChannelReady.None));
        Fifo.Send(_kernel, MemoryMarshal.AsBytes(new[] { Fault }.AsSpan()));
        Assert.That(_channel.Poll(wake, -1), Is.EqualTo(ChannelReady.Readable));
        wake.Set();
        Assert.That(_channel.Poll(wake, -1), Is.EqualTo(ChannelReady.Readable | ChannelReady.Woken));
    }

    [Test]
    public void PollTellsOfAHangup()
    {
        using var wake = new WakeEvent();
        using var node = new Fifo();
        var writer = node.Open();
        // Opened after a writer, so that it does not wait; then the writer goes.
        using var reader = new CowChannel(FileOpen.Open(node.Path, FileNumbers.ReadOnly | FileNumbers.NonBlock));
        writer.Dispose();
        Assert.That(reader.Poll(wake, -1), Is.EqualTo(ChannelReady.Hangup));
    }

    [Test]
    public void TheFaultPathAllocatesNothing()
    {
        using var wake = new WakeEvent();
        var events = new CowEvent[1];
        var replies = new CowReply[1];
        replies[0] = CowReply.Hold(1, 2);
        RoundTrip(wake, events, replies);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            RoundTrip(wake, events, replies);
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

    // A pipe gives the reply back: 72 bytes, of which an event takes 64 and the next read the rest.
    private void RoundTrip(WakeEvent wake, CowEvent[] events, CowReply[] replies)
    {
        wake.Set();
        _channel.Poll(wake, -1);
        wake.Clear();
        _channel.Write(replies, out _);
        _channel.Read(events);
        Span<byte> rest = stackalloc byte[Unsafe.SizeOf<CowReply>() - Unsafe.SizeOf<CowEvent>()];
        Drain(rest);
    }

    private unsafe void Drain(Span<byte> rest)
    {
        fixed (byte* room = rest)
        {
            LibC.Read(_kernel, room, (nuint)rest.Length);
        }
    }
}
