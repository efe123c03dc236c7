// SPDX-License-Identifier: MIT
using System.Buffers.Binary;
using System.Diagnostics;
using Cow.Controller.Cli.Convert;
using Cow.Controller.Cli.Images;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary><c>check</c> of disk images, and what all offline verbs make of hostile ones.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliImageCheckTests : IDisposable
{
    private readonly CliImageWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Test]
    public void ARawImageHasNothingToCheck()
    {
        Assert.That(_world.Run("check", _world.Raw("disk"), "--format", "raw"), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Error, Does.Contain("no metadata"));
    }

    [Test]
    public void AStoreIsNotRepairedHere()
    {
        _world.Done("format", _world.In("store"), "16", "--size", "1M");
        Assert.That(_world.Run("check", _world.In("store"), "--repair"), Is.EqualTo(ExitCode.Usage));
    }

    [TestCase]
    [TestCase("--repair")]
    public void WhatIsNotThereIsNotFound(params string[] more) =>
        Assert.That(_world.Run(["check", _world.In("nothing"), .. more]), Is.EqualTo(ExitCode.NotFound), _world.Error);

    [Test]
    public void ANameThatATerminalWouldObeyIsNotShown()
    {
        string image = _world.In("a\u001b[31m.vmdk");
        File.WriteAllText(image, "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"flat\" 0\n");
        File.WriteAllBytes(_world.In("flat"), new byte[512]);
        Assert.That(_world.Done("check", image), Does.Contain("a?[31m.vmdk: vmdk").And.Not.Contain("\u001b"));
    }

    /// <summary>A VMDK may name thousands of extents, each of which would be gone through.</summary>
    [Test]
    public void HardLinksAreOneFile()
    {
        CliImageWorld.Require("vmdk");
        string image = _world.In("a.vmdk");
        CliImageWorld.Qemu("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", image, "4G");
        Assert.That(_world.Done("check", image), Does.EndWith(": clean\n"));
        File.Delete(_world.In("a-s002.vmdk"));
        using (Process link = Process.Start("ln", [_world.In("a-s001.vmdk"), _world.In("a-s002.vmdk")]))
        {
            link.WaitForExit();
        }
        Assert.That(_world.Run("check", image), Is.EqualTo(ExitCode.Findings), _world.Out);
        Assert.That(_world.Out, Does.Contain("a file of its own").And.Contain("a second time"));
    }

    [Test]
    public void ALeakIsFoundAndRepaired()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        CliImageWorld.QemuIo(image, "qcow2", "write -P 1 0 128k");
        Assert.That(_world.Done("check", image), Does.EndWith(": clean\n"));
        LeakACluster(image);
        Assert.That(_world.Run("check", image), Is.EqualTo(ExitCode.Findings), _world.Error);
        Assert.That(_world.Out, Does.StartWith("leak: "));
        Assert.That(_world.Run("check", image, "--repair"), Is.EqualTo(ExitCode.Done), _world.Error + _world.Out);
        Assert.That(_world.Out, Does.StartWith("repaired: ").And.EndsWith(": clean\n"));
        CliImageWorld.Qemu("check", "-q", "-f", "qcow2", image);
    }

    /// <summary>A count of 0 is corrected; what is wrong with the second entry of the L2 table is not.</summary>
    [Test]
    public void ARepairIsAdvisedBeforeACopyUntilItWasTried()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        CliImageWorld.QemuIo(image, "qcow2", "write -P 1 0 64k");
        Patch(image, CountAt(image, 5) + 1, 0);
        _world.Run("check", image);
        Assert.That(_world.Out, Does.EndWith("; try --repair first\n"));
        Assert.That(_world.Run("check", image, "--repair"), Is.EqualTo(ExitCode.Done), _world.Error + _world.Out);
        Patch(image, (4 * 65536) + 8, 2);
        _world.Run("check", image);
        Assert.That(_world.Out, Does.EndWith("; try --repair first\n"));
        Assert.That(_world.Run("check", image, "--repair"), Is.EqualTo(ExitCode.Findings), _world.Error + _world.Out);
        Assert.That(_world.Out, Does.EndWith("; restore it from a copy, or use it read-only\n"));
    }

    [Test]
    public void AChildKnowsItsParentAfterARepair()
    {
        CliImageWorld.Require("vmdk");
        string parent = _world.In("parent.vmdk");
        string child = _world.In("child.vmdk");
        CliImageWorld.Qemu("create", "-q", "-f", "vmdk", parent, "64M");
        CliImageWorld.QemuIo(parent, "vmdk", "write -P 1 0 128k");
        CliImageWorld.Qemu("create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", parent, child);
        using (FileStream file = new(parent, FileMode.Open))
        {
            file.SetLength(file.Length + (1 << 20));
        }

        Assert.That(_world.Run("check", parent), Is.EqualTo(ExitCode.Findings), _world.Error);
        Assert.That(_world.Run("check", parent, "--repair"), Is.EqualTo(ExitCode.Done), _world.Error + _world.Out);
        Assert.That(_world.Out, Does.StartWith("repaired: ").And.EndsWith(": clean\n"));
        _world.Done("map", child);
        CliImageWorld.QemuIo(child, "vmdk", "read -P 1 0 128k");
    }

    [Test]
    public void WhatDoesNotOpenIsAFinding()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("a.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", image, "1M");
        Patch(image, 20, 99);
        Assert.That(_world.Run("check", image), Is.EqualTo(ExitCode.Findings));
        Assert.That(_world.Out, Does.StartWith("error: ").And.Contain("at byte "));
        Assert.That(_world.Run("info", image), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Run("map", image), Is.EqualTo(ExitCode.BadStore));
    }

    [Test]
    public void HostileImagesGetASentence()
    {
        string folder = Hostile();
        List<string> broken = [];
        foreach (string packed in Directory.EnumerateFiles(folder, "*.xz"))
        {
            string image = _world.In(Path.GetFileNameWithoutExtension(packed));
            using (Process xz = Process.Start(new ProcessStartInfo("sh", ["-c", "xz -dc \"$0\" > \"$1\"", packed, image]))!)
            {
                xz.WaitForExit();
            }

            broken.AddRange(Try(image));
            File.Delete(image);
        }

        Assert.That(broken, Is.Empty);
    }

    private IEnumerable<string> Try(string image)
    {
        foreach (string verb in (string[])["info", "check"])
        {
            Stopwatch clock = Stopwatch.StartNew();
            ExitCode code = _world.Run(verb, image);
            if (code is not (ExitCode.Done or ExitCode.BadStore or ExitCode.Findings or ExitCode.Usage) || clock.ElapsedMilliseconds > 60_000)
            {
                yield return $"{verb} {Path.GetFileName(image)}: {code} after {clock.ElapsedMilliseconds} ms: {_world.Error}";
            }
        }

        if (Convert(image) is { } problem)
        {
            yield return $"convert {Path.GetFileName(image)}: {problem}";
        }
    }

    private string? Convert(string image)
    {
        using CancellationTokenSource stop = new(TimeSpan.FromSeconds(1));
        ConvertSpec spec = new(new ImageSpec(image, null), _world.In("copy"), "raw", false, new Dictionary<string, string>(), true, 2);
        try
        {
            new Converter(_world.Paths, spec).Run(static (_, _) => { }, stop.Token);
        }
        catch (Exception e) when (e is ImageFormatException or Cow.Controller.Cli.CliException or OperationCanceledException or IOException)
        {
        }
#pragma warning disable CA1031 // every other kind is the finding
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e.ToString();
        }

        File.Delete(_world.In("copy"));
        return _world.Files.FirstOrDefault(static file => file.StartsWith(".cowctl", StringComparison.Ordinal));
    }

    private static string Hostile()
    {
        string? root = Environment.GetEnvironmentVariable("COW_TEST_IMAGES");
        for (DirectoryInfo? d = new(TestContext.CurrentContext.TestDirectory); root is null && d is not null; d = d.Parent)
        {
            if (File.Exists(Path.Combine(d.FullName, "Cow.slnx")))
            {
                root = Path.Combine(d.FullName, "..", "shared", "images");
            }
        }

        string folder = Path.Combine(root ?? "", "hostile");
        if (!Directory.Exists(folder))
        {
            Assert.Ignore($"no test images in {folder}; set COW_TEST_IMAGES");
        }

        return folder;
    }

    /// <summary>Counts a reference to a cluster at the end of the file that nothing refers to.</summary>
    private static void LeakACluster(string image)
    {
        long clusters = new FileInfo(image).Length / 65536;
        Patch(image, CountAt(image, clusters) + 1, 1);
        using FileStream file = new(image, FileMode.Open);
        file.SetLength((clusters + 1) * 65536);
    }

    /// <summary>Byte offset of the count of a cluster.</summary>
    private static long CountAt(string image, long cluster)
    {
        byte[] bytes = File.ReadAllBytes(image);
        long table = (long)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(48));
        return (long)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan((int)table)) + (cluster * 2);
    }

    private static void Patch(string image, long offset, byte value)
    {
        using FileStream file = new(image, FileMode.Open);
        file.Position = offset;
        file.WriteByte(value);
    }
}
