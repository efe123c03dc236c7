// SPDX-License-Identifier: MIT
using System.Text.Json;
using Cow.Controller.Cli.Images;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary><c>map</c>: held against <c>qemu-img map</c> of the same image.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliMapTests : IDisposable
{
    private readonly CliImageWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Test]
    public void ARawFileIsMappedWithItsHoles()
    {
        string raw = _world.In("disk");
        using (FileStream file = new(raw, FileMode.CreateNew))
        {
            file.SetLength(1 << 20);
            file.Position = 65536;
            file.Write(new byte[8192]);
        }

        Assert.That(Entries(_world.Done("map", raw, "--format", "raw", "--json")), Is.EqualTo(new[]
        {
            new Shown(0, 65536, 0, true, true, false, 0),
            new Shown(65536, 8192, 0, true, false, true, 65536),
            new Shown(73728, (1 << 20) - 73728, 0, true, true, false, 73728),
        }));
        Assert.That(_world.Done("map", raw, "--format", "raw"), Does.Contain($" data        {raw}:65536\n"));
    }

    [Test]
    public void TheMapOfARawFileEqualsQemus()
    {
        string raw = _world.Raw("disk");
        Compare(raw, "raw");
    }

    [Test]
    public void TheMapOfAChainEqualsQemus()
    {
        CliImageWorld.Require("qcow2");
        _world.Raw("base.raw");
        string middle = _world.In("middle.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", middle, "5M");
        CliImageWorld.QemuIo(middle, "qcow2", "write -P 1 100k 300k", "write -z 1M 256k", "write -P 2 4500k 100k");
        string top = _world.In("top.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-o", "cluster_size=4096", "-b", "middle.qcow2", "-F", "qcow2", top, "6M");
        CliImageWorld.QemuIo(top, "qcow2", "write -P 3 200k 10k", "write -P 3 2M 12k", "write -z 3M 64k", "write -P 4 5500k 8k");
        Compare(top, "qcow2");
        Compare(middle, "qcow2");
    }

    [Test]
    public void TheMapOfACompressedImageEqualsQemus()
    {
        CliImageWorld.Require("qcow2");
        string packed = _world.In("packed.qcow2");
        CliImageWorld.Qemu("convert", "-q", "-c", "-f", "raw", "-O", "qcow2", _world.Raw("disk"), packed);
        CliImageWorld.QemuIo(packed, "qcow2", "write -P 9 1M 64k");
        Compare(packed, "qcow2");
        Assert.That(_world.Out, Does.Contain("\"compressed\": true"));
    }

    [Test]
    public void TheMapOfAVmdkEqualsQemus()
    {
        CliImageWorld.Require("vmdk");
        string image = _world.In("disk.vmdk");
        CliImageWorld.Qemu("convert", "-q", "-f", "raw", "-O", "vmdk", _world.Raw("disk"), image);
        Compare(image, "vmdk");
    }

    [Test]
    public void TheMapOfADeviceIsOfTheSnapshotThatItShows()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("disk.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        CliImageWorld.Qemu("snapshot", "-c", "s1", image);
        CliImageWorld.QemuIo(image, "qcow2", "write -P 1 0 64k");
        Assert.That(Entries(_world.Done("map", image, "--json")), Has.Some.Property("Data").True);
        Live(image, null, new DeviceImageSpec([], null, "s1", 0));
        Assert.That(Entries(_world.Done("map", "vm1", "--json")), Has.All.Property("Data").False);
    }

    [TestCase("allowed directory")]
    [TestCase("base")]
    public void TheMapOfADeviceReachesWhatTheDeviceReaches(string by)
    {
        CliImageWorld.Require("qcow2");
        string elsewhere = Directory.CreateDirectory(_world.In("elsewhere")).FullName;
        string lower = _world.Raw("elsewhere/base.raw");
        string image = _world.In("disk.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", lower, "-F", "raw", image);
        ForgetBackingFormat(image);
        Assert.That(_world.Run("map", image), Is.EqualTo(ExitCode.BadStore));
        Live(image, by == "base" ? lower : null, new DeviceImageSpec(by == "base" ? [] : [elsewhere], "raw", null, 0));
        Assert.That(_world.Done("map", "vm1"), Does.Contain($" {lower}:"));
    }

    [Test]
    public void AnEmptyMapIsStillAList()
    {
        using StringWriter output = new();
        new MapPrinter(output).Json([]);
        Assert.That(output.ToString(), Is.EqualTo("[]\n"));
    }

    [Test]
    public void AMapMayBeLongerThanTheBuffer()
    {
        using StringWriter output = new();
        MapEntry[] entries = [.. Enumerable.Range(0, 10_000).Select(i => new MapEntry((ulong)i * 1024, 1024, 0, true, false, true, false, 0, i * 2048L))];
        new MapPrinter(output).Json(entries);
        Assert.That(Entries(output.ToString()), Has.Count.EqualTo(10_000));
    }

    [Test]
    public void ATableIsWrittenInLargePieces()
    {
        string raw = _world.Raw("disk");
        using ImageSession session = new(_world.Paths, new ImageSpec(raw, "raw"));
        using CountingWriter output = new();
        const int Count = 10_000;
        new MapPrinter(output).Text(
            Enumerable.Range(0, Count).Select(static i => new MapEntry((ulong)i * 1024, 1024, 0, true, false, true, false, 0, i * 2048L)), session.OpenChain());
        Assert.That(output.ToString(), Has.Length.GreaterThan(Count * raw.Length).And.EndsWith($"  {raw}:{(Count - 1) * 2048}\n"));
        Assert.That(output.Writes, Is.LessThan(Count / 100));
    }

    [Test]
    public void TheOddEndOfARawFileMayBeAHole()
    {
        string raw = _world.In("disk");
        using (FileStream file = new(raw, FileMode.CreateNew))
        {
            file.Write(new byte[4096]);
            file.SetLength((1 << 20) + 100);
        }

        Assert.That(Entries(_world.Done("map", raw, "--format", "raw", "--json")), Is.EqualTo(new[]
        {
            new Shown(0, 4096, 0, true, false, true, 0),
            new Shown(4096, (1 << 20) + 512 - 4096, 0, true, true, false, 4096),
        }));
    }

    /// <summary>qemu-img makes no such images any more: the header extension becomes one that nobody knows.</summary>
    private static void ForgetBackingFormat(string image)
    {
        byte[] bytes = File.ReadAllBytes(image);
        bytes[bytes.AsSpan().IndexOf([(byte)0xe2, (byte)0x79, (byte)0x2a, (byte)0xca])] = 0x12;
        File.WriteAllBytes(image, bytes);
    }

    private void Live(string image, string? lower, DeviceImageSpec opened)
    {
        CreateSpec spec = new("vm1", lower, image, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false) { Image = opened };
        new StateStore(_world.Paths).Write(DeviceState.Of(spec) with { Phase = DevicePhase.Active, Format = "qcow2" });
    }

    private sealed class CountingWriter : StringWriter
    {
        public int Writes { get; private set; }

        public override void Write(char[] buffer, int index, int count)
        {
            Writes++;
            base.Write(buffer, index, count);
        }

        public override void Write(string? value)
        {
            Writes++;
            base.Write(value);
        }
    }

    private void Compare(string image, string format)
    {
        List<Shown> ours = Joined(Entries(_world.Done("map", image, "--format", format, "--json")));
        List<Shown> theirs = Joined(Entries(CliImageWorld.Qemu("map", "--output=json", "-f", format, image)));
        Assert.That(ours, Is.EqualTo(theirs));
    }

    private static List<Shown> Entries(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateArray().Select(static entry => new Shown(
            entry.GetProperty("start").GetUInt64(),
            entry.GetProperty("length").GetUInt64(),
            entry.GetProperty("depth").GetInt32(),
            entry.GetProperty("present").GetBoolean(),
            entry.GetProperty("zero").GetBoolean(),
            entry.GetProperty("data").GetBoolean(),
            entry.TryGetProperty("offset", out JsonElement offset) ? offset.GetInt64() : -1))];
    }

    /// <summary>Where zeros lie that have a place is not said by us: it says nothing about the disk.</summary>
    private static List<Shown> Joined(List<Shown> entries)
    {
        List<Shown> joined = [];
        foreach (Shown entry in entries.Select(static entry => entry.Zero ? entry with { Offset = -1 } : entry))
        {
            if (entry.Zero && joined is [.., { Zero: true } last] && last == entry with { Start = last.Start, Length = last.Length })
            {
                joined[^1] = last with { Length = last.Length + entry.Length };
            }
            else
            {
                joined.Add(entry);
            }
        }

        return joined;
    }

    private sealed record Shown(ulong Start, ulong Length, int Depth, bool Present, bool Zero, bool Data, long Offset);
}
