// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What we send, byte for byte, against linux/dm-ioctl.h (little-endian machines).</summary>
internal sealed class DmBuildTests
{
    [Test]
    public void ATableIsAChainOfSpecs()
    {
        using var buffer = DmTable.Build([TargetLine.Parse("0 8 linear 8:0 384"), TargetLine.Parse("8 1 zero")]);
        byte[] expected =
        [
            0, 0, 0, 0, 0, 0, 0, 0, // sector_start
            8, 0, 0, 0, 0, 0, 0, 0, // length
            0, 0, 0, 0, // status
            48, 0, 0, 0, // next: 40 of the spec, 7 + 1 of "8:0 384"
            .. "linear"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // target_type[16]
            .. "8:0 384"u8, 0,

            8, 0, 0, 0, 0, 0, 0, 0, // sector_start
            1, 0, 0, 0, 0, 0, 0, 0, // length
            0, 0, 0, 0, // status
            48, 0, 0, 0, // next: 40, an empty text, padding to 8
            .. "zero"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // target_type[16]
            0, 0, 0, 0, 0, 0, 0, 0,
        ];
        Assert.That(buffer.Data.ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void ARequestHasTheHeaderInFront()
    {
        using var buffer = new DmBuffer(8);
        var request = new DmRequest(DmCommand.Resume, new DmName("ident"))
        {
            Flags = DmFlags.NoFlush | DmFlags.SkipLockFs | DmFlags.ReadOnly, EventNr = 0x0040_1234,
        };
        request.WriteTo(buffer);
        byte[] expected =
        [
            4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // version 4.0.0
            0x40, 1, 0, 0, // data_size 312 + 8
            0x38, 1, 0, 0, // data_start 312
            0, 0, 0, 0, // target_count
            0, 0, 0, 0, // open_count
            0, 0x0c, 0, 0, // flags: NOFLUSH and SKIP_LOCKFS; READONLY is not for this call
            0x34, 0x12, 0x40, 0, // event_nr: the cookie
            0, 0, 0, 0, // padding
            0, 0, 0, 0, 0, 0, 0, 0, // dev
            .. "ident"u8, 0,
        ];
        Assert.That(buffer.All[..expected.Length].ToArray(), Is.EqualTo(expected));
        Assert.That(buffer.All[expected.Length..].ToArray(), Is.All.Zero);
    }

    [Test]
    public void AUuidStandsBehindTheName()
    {
        using var buffer = new DmBuffer(0);
        new DmRequest(DmCommand.Create, new DmName("a")) { Uuid = new DmUuid("COW-1") }.WriteTo(buffer);
        Assert.That(buffer.All.Slice(176, 6).ToArray(), Is.EqualTo("COW-1\0"u8.ToArray()));
    }

    [Test]
    public void WhatIsFoundByItsUuidHasNoName()
    {
        using var buffer = new DmBuffer(0);
        new DmRequest(DmCommand.Remove, new DmUuid("COW-1")).WriteTo(buffer);
        Assert.That(buffer.All.Slice(48, 128).ToArray(), Is.All.Zero);
        Assert.That(buffer.All.Slice(176, 6).ToArray(), Is.EqualTo("COW-1\0"u8.ToArray()));
    }

    [TestCase("")]
    [TestCase("nul\0")]
    [TestCase("\u00e4")]
    public void AUuidThatTheKernelWouldNotKeepIsRefused(string value) => Assert.That(() => new DmUuid(value), Throws.ArgumentException);

    [Test]
    public void AUuidThatIsTooLongIsRefused()
    {
        Assert.That(() => new DmUuid(new string('x', DmUuid.MaxLength + 1)), Throws.ArgumentException);
        using var buffer = new DmBuffer(0);
        new DmRequest(DmCommand.Create, new DmName("a")) { Uuid = new DmUuid(new string('x', DmUuid.MaxLength)) }.WriteTo(buffer);
        Assert.That(buffer.All.Slice(176, 129).ToArray(), Has.Exactly(1).Zero);
    }

    [Test]
    public void ATableWithoutLinesIsRefused() => Assert.That(() => DmTable.Build([]), Throws.ArgumentException);

    [TestCase("")]
    [TestCase("a type of its own")]
    [TestCase("abcdefghijklmnop")]
    [TestCase("nul\0")]
    public void ATypeThatDoesNotFitIsRefused(string type) => Assert.That(
        () => DmTable.Build([new TargetLine(default, new Sectors(1), type, "")]), Throws.ArgumentException);

    [Test]
    public void ParametersWithANulAreRefused() => Assert.That(
        () => DmTable.Build([new TargetLine(default, new Sectors(1), "zero", "a\0b")]), Throws.ArgumentException);

    [Test]
    public void MoreBytesThanACallTakesAreRefused()
    {
        Assert.That(() => new DmBuffer(1L << 30), Throws.ArgumentException);
        Assert.That(() => new DmBuffer(1L << 33), Throws.ArgumentException);
    }

    [Test]
    public void AHundredThousandLinesAreBuiltAndReadInOneGo()
    {
        var lines = Enumerable.Range(0, 100_000).Select(i =>
            new TargetLine(new Sectors((ulong)i * 8), new Sectors(8), i % 2 == 0 ? "linear" : "cow", $"8:16 {i * 16}"))
            .ToList();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        using var buffer = DmTable.Build(lines);
        var read = new DmAnswer("DM_TABLE_STATUS", AsStatus(buffer, lines.Count)).Lines();
        // Milliseconds; seconds on an emulated processor; hours if the work were quadratic.
        Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromSeconds(60)));
        Assert.That(read, Is.EqualTo(lines));
    }

    // A loaded table counts "next" from its own spec, a status from the first one.
    private static byte[] AsStatus(DmBuffer buffer, int count)
    {
        new DmRequest(DmCommand.Load, null) { TargetCount = (uint)count }.WriteTo(buffer);
        byte[] answer = buffer.All.ToArray();
        int at = DmHeader.Size;
        while (at < answer.Length)
        {
            var spec = MemoryMarshal.Read<DmTargetSpec>(answer.AsSpan(at));
            int next = at + (int)spec.Next;
            spec.Next = (uint)(next - DmHeader.Size);
            MemoryMarshal.Write(answer.AsSpan(at), spec);
            at = next;
        }

        return answer;
    }
}
