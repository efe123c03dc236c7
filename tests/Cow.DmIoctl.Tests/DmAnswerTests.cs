// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What the kernel answers, as bytes; and answers that lie about their lengths.</summary>
internal sealed class DmAnswerTests
{
    private static readonly byte[] TwoLines =
    [
        0, 0, 0, 0, 0, 0, 0, 0, // sector_start
        8, 0, 0, 0, 0, 0, 0, 0, // length
        0, 0, 0, 0, // status
        48, 0, 0, 0, // next, from the first spec
        .. "linear"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        .. "8:0 384"u8, 0,

        8, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0,
        96, 0, 0, 0,
        .. "zero"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, // the answer ends behind the last text; only "next" is padded
    ];

    private static readonly byte[] TwoVersions =
    [
        32, 0, 0, 0, // next, from here
        1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, // version
        .. "linear"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0,
        .. "cow"u8, 0,
    ];

    private static readonly byte[] TwoDevices =
    [
        0x00, 0xfd, 0, 0, 0, 0, 0, 0, // dev 253:0
        40, 0, 0, 0, // next, from here
        .. "a"u8, 0, 0, 0, // name[], padded to 8
        5, 0, 0, 0, // event_nr
        1, 0, 0, 0, // flags: has a uuid
        .. "COW-1"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x01, 0xfd, 0x10, 0, 0, 0, 0, 0, // dev 253:257
        0, 0, 0, 0, // the last
        .. "gast"u8, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, // event_nr
        2, 0, 0, 0, // flags: has none
    ];

    [Test]
    public void AStatusIsReadLineByLine() => Assert.That(
        new DmAnswer("t", Answer(TwoLines, targets: 2)).Lines(),
        Is.EqualTo(new[] { TargetLine.Parse("0 8 linear 8:0 384"), TargetLine.Parse("8 1 zero") }));

    [Test]
    public void AStatusWithoutLinesIsEmpty() =>
        Assert.That(new DmAnswer("t", Answer([], targets: 0)).Lines(), Is.Empty);

    [Test]
    public void AnyCutInAStatusIsRefused([Range(0, 88)] int length) => Assert.That(
        () => new DmAnswer("t", Answer(TwoLines[..length], targets: 2)).Lines(), Refused);

    [TestCase(0)]
    [TestCase(8)]
    [TestCase(47)]
    [TestCase(49)]
    [TestCase(96)]
    [TestCase(int.MaxValue)]
    [TestCase(-8)]
    public void ANextThatLeadsElsewhereIsRefused(int next)
    {
        byte[] data = [.. TwoLines];
        MemoryMarshal.Write(data.AsSpan(20), next);
        Assert.That(() => new DmAnswer("t", Answer(data, targets: 2)).Lines(), Refused);
    }

    [Test]
    public void MoreLinesThanThereAreBytesAreRefused() => Assert.That(
        () => new DmAnswer("t", Answer(TwoLines, targets: uint.MaxValue)).Lines(), Refused);

    [Test]
    public void AnAnswerLargerThanItsBufferIsRefused()
    {
        byte[] answer = Answer(TwoLines, targets: 2);
        Assert.That(() => new DmAnswer("t", answer.AsSpan(..^1)).Lines(), Refused);
    }

    [Test]
    public void AnAnswerThatBeginsInTheHeaderIsRefused()
    {
        byte[] answer = Answer(TwoLines, targets: 2);
        MemoryMarshal.Write(answer.AsSpan(16), 8u); // data_start
        Assert.That(() => new DmAnswer("t", answer).Lines(), Refused);
    }

    [Test]
    public void VersionsAreRead() => Assert.That(
        new DmAnswer("t", Answer(TwoVersions)).Versions(),
        Is.EqualTo(new[] { new DmTargetVersion("linear", 1, 4, 2), new DmTargetVersion("cow", 1, 0, 7) }));

    [Test]
    public void AnyCutInVersionsIsRefused([Range(1, 51)] int length) => Assert.That(
        () => new DmAnswer("t", Answer(TwoVersions[..length])).Versions(), Refused);

    [Test]
    public void DevicesAreRead() => Assert.That(
        new DmAnswer("t", Answer(TwoDevices)).Devices(),
        Is.EqualTo(new[]
        {
            new DmListEntry("a", new DeviceNumber(253, 0), 5, "COW-1"),
            new DmListEntry("gast", new DeviceNumber(253, 257), 0, null),
        }));

    [Test]
    public void AnOldKernelTellsNoUuids() => Assert.That(
        new DmAnswer("t", Answer(TwoDevices, minor: 44)).Devices()[0].Uuid, Is.Null);

    [Test]
    public void NoDevicesAreOneEmptyEntry()
    {
        Assert.That(new DmAnswer("t", Answer(new byte[16])).Devices(), Is.Empty);
        Assert.That(new DmAnswer("t", Answer([])).Devices(), Is.Empty);
    }

    [Test]
    public void AListThatTurnsBackIsRefused()
    {
        byte[] data = [.. TwoDevices];
        MemoryMarshal.Write(data.AsSpan(8), 0xffff_fff8u);
        Assert.That(() => new DmAnswer("t", Answer(data)).Devices(), Refused);
    }

    [Test]
    public void DependenciesAreRead() => Assert.That(
        new DmAnswer("t", Answer([2, 0, 0, 0, 0, 0, 0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]))
            .Dependencies(),
        Is.EqualTo(new[] { new DeviceNumber(8, 16), new DeviceNumber(7, 0) }));

    [Test]
    public void MoreDependenciesThanBytesAreRefused() => Assert.That(
        () => new DmAnswer("t", Answer([255, 255, 255, 255, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])).Dependencies(), Refused);

    [Test]
    public void AMessageAnswersOnlyWithItsFlag()
    {
        Assert.That(new DmAnswer("t", Answer([.. "yes"u8, 0], flags: DmFlags.DataOut)).Output(), Is.EqualTo("yes"));
        Assert.That(new DmAnswer("t", Answer([.. "yes"u8, 0])).Output(), Is.Null);
        Assert.That(() => new DmAnswer("t", Answer([.. "yes"u8], flags: DmFlags.DataOut)).Output(), Refused);
    }

    [Test]
    public void TheHeaderTellsOfTheDevice()
    {
        byte[] answer = Answer([], targets: 3, flags: DmFlags.ActivePresent | DmFlags.ReadOnly, name: "ident");
        var info = new DmAnswer("t", answer).Info();
        Assert.That(info, Is.EqualTo(new DmDeviceInfo(
            "ident", null, new DeviceNumber(253, 3), 0, 0, 3, false, true, true, false, false)));
    }

    [Test]
    public void NoAnswerBringsUsDown()
    {
        var random = new Random(7);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] seed = (i % 3) switch { 0 => TwoLines, 1 => TwoVersions, _ => TwoDevices };
            byte[] data = [.. seed];
            for (int hits = random.Next(1, 6); hits > 0; hits--)
            {
                data[random.Next(data.Length)] = (byte)random.Next(256);
            }

            byte[] answer = Answer(data, targets: (uint)random.Next(4));
            TryAll(answer);
        }
    }

    private static void TryAll(byte[] answer)
    {
        foreach (var read in new Action[]
        {
            () => new DmAnswer("t", answer).Lines(), () => new DmAnswer("t", answer).Versions(),
            () => new DmAnswer("t", answer).Devices(), () => new DmAnswer("t", answer).Dependencies(),
        })
        {
            try
            {
                read();
            }
            catch (LinuxException e) when (e.Errno == Errno.EPROTO)
            {
                // refused, as it should be
            }
        }
    }

    private static NUnit.Framework.Constraints.IResolveConstraint Refused =>
        Throws.TypeOf<LinuxException>().With.Property(nameof(LinuxException.Errno)).EqualTo(Errno.EPROTO);

    private static byte[] Answer(
        byte[] data, uint targets = 0, DmFlags flags = DmFlags.None, uint minor = 47, string name = "")
    {
        var header = new DmHeader
        {
            DataSize = (uint)(DmHeader.Size + data.Length), DataStart = (uint)DmHeader.Size, TargetCount = targets,
            Flags = flags, Dev = 0xfd03,
        };
        header.Version[0] = 4;
        header.Version[1] = minor;
        CText.Write(name, header.Name);
        return [.. CText.BytesOf(ref header), .. data];
    }
}
