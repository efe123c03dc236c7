// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using Cow.Controller.Cli;
using Cow.Controller.Cli.Convert;
using Cow.Controller.Cli.Images;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.DmIoctl.Tests;
using Cow.Formats.Images;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary><c>convert</c>: the same disk in another form, or nothing at all.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliConvertTests : IDisposable
{
    /// <summary>What somebody left on a device.</summary>
    private const byte Old = 0xa5;

    private static readonly string[] Source = ["disk"];

    private readonly CliImageWorld _world = new();

    public void Dispose() => _world.Dispose();

    [TestCase("1")]
    [TestCase("7")]
    public void ARawCopyIsEqualAndSparse(string threads)
    {
        string raw = _world.Raw("disk");
        Assert.That(_world.Done("convert", raw, _world.In("copy"), "--format", "raw", "--source-format", "raw", "--threads", threads), Is.Empty);
        Assert.That(File.ReadAllBytes(_world.In("copy")), Is.EqualTo(File.ReadAllBytes(raw)));
        Assert.That(SparseFile.OccupiedBytes(_world.In("copy")), Is.LessThanOrEqualTo(SparseFile.OccupiedBytes(raw) + 65536));
    }

    [Test]
    public async Task ALookForDataThatNeverEndsIsStopped()
    {
        using ImageChain chain = new([new EndlessImage()], writable: false);
        using PlainFile copy = PlainFile.CreateNew(_world.In("copy"), "copy");
        using RawTarget target = new(copy, 1 << 20, static _ => { });
        using CancellationTokenSource stop = new();
        // Not disposed here: that would wait for what must not be waited for.
        SlabPipeline pipeline = new(new SlabReader(chain), chain.Images[0].Info.VirtualBytes, target, [new SlabReader(chain)]);
        Task run = Task.Run(() => pipeline.Run(static _ => { }, stop.Token));
        await Task.Delay(300);
        await stop.CancelAsync();
        Assert.That(await Task.WhenAny(run, Task.Delay(TimeSpan.FromSeconds(20))), Is.SameAs(run));
        Assert.That(async () => await run, Throws.InstanceOf<OperationCanceledException>());
        pipeline.Dispose();
    }

    /// <summary>However many threads there are, and however long the one waits whose turn it is.</summary>
    [TestCase(1 << 20, 40, 32)]
    [TestCase(64 << 20, 9, 4)]
    public void LargeChunksAreNotManyAtOnce(int chunkBytes, int chunks, int most)
    {
        long bytes = (long)chunks * chunkBytes;
        using (FileStream file = new(_world.In("disk"), FileMode.CreateNew))
        {
            file.SetLength(bytes);
            for (long at = 0; at < bytes; at += chunkBytes)
            {
                file.Position = at;
                file.WriteByte(1);
            }
        }

        using ImageSession session = new(_world.Paths, new ImageSpec(_world.In("disk"), "raw"));
        List<ImageSession> sessions = [.. Enumerable.Range(0, 8).Select(_ => new ImageSession(_world.Paths, new ImageSpec(_world.In("disk"), "raw"), locks: false))];
        SlowTarget target = new(chunkBytes);
        using (SlabPipeline pipeline = new(
            new SlabReader(session.OpenChain()), (ulong)bytes, target, [.. sessions.Select(static session => new SlabReader(session.OpenChain()))]))
        {
            pipeline.Run(static _ => { }, CancellationToken.None);
        }

        sessions.ForEach(static session => session.Dispose());
        Assert.That(target.Slabs, Is.LessThanOrEqualTo(most));
        Assert.That(target.Written, Is.EqualTo(chunks));
    }

    [Test]
    public void WrittenZerosBecomeHoles()
    {
        File.WriteAllBytes(_world.In("disk"), new byte[8 << 20]);
        Convert("copy", "raw");
        Assert.That(SparseFile.OccupiedBytes(_world.In("copy")), Is.Zero);
        Assert.That(new FileInfo(_world.In("copy")).Length, Is.EqualTo(8 << 20));
    }

    [Test]
    public void WhatIsThereIsReplacedOnlyWithForce()
    {
        string raw = _world.Raw("disk");
        File.WriteAllText(_world.In("copy"), "mine");
        File.SetUnixFileMode(_world.In("copy"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.That(_world.Run(Words("copy", "raw")), Is.EqualTo(ExitCode.InUse));
        Assert.That(File.ReadAllText(_world.In("copy")), Is.EqualTo("mine"));
        _world.Done([.. Words("copy", "raw"), "--force"]);
        Assert.That(File.ReadAllBytes(_world.In("copy")), Is.EqualTo(File.ReadAllBytes(raw)));
        Assert.That(File.GetUnixFileMode(_world.In("copy")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Assert.That(_world.Files, Has.Length.EqualTo(2));
    }

    /// <summary>Whoever may not open the old file may not open the new one, while it is written and afterwards.</summary>
    [Test]
    public void WhoMayOpenAFileStaysWhenItIsReplaced()
    {
        const UnixFileMode Shared = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        string raw = _world.Raw("disk");
        File.WriteAllText(_world.In("copy"), "theirs");
        File.SetUnixFileMode(_world.In("copy"), Shared);
        if (Environment.IsPrivilegedProcess)
        {
            using System.Diagnostics.Process chown = System.Diagnostics.Process.Start("chown", ["65534:65534", _world.In("copy")]);
            chown.WaitForExit();
        }

        FileRights before = FileRights.Of(_world.In("copy"));
        ConvertSpec spec = new(new ImageSpec(raw, "raw"), _world.In("copy"), "raw", false, new Dictionary<string, string>(), true, 2);
        List<UnixFileMode> modes = [];
        new Converter(_world.Paths, spec).Run((_, _) => modes.Add(File.GetUnixFileMode(Temporary())), CancellationToken.None);
        Assert.That(modes, Is.Not.Empty.And.All.EqualTo(Own));
        Assert.That(FileRights.Of(_world.In("copy")), Is.EqualTo(before));
        Assert.That(File.ReadAllBytes(_world.In("copy")), Is.EqualTo(File.ReadAllBytes(raw)));

        string Temporary() => _world.In(_world.Files.Single(static file => file.StartsWith(".cowctl-", StringComparison.Ordinal)));
    }

    [Test]
    public void WhatIsNeitherFileNorBlockDeviceIsLeftAlone()
    {
        _world.Raw("disk");
        using (System.Diagnostics.Process mkfifo = System.Diagnostics.Process.Start("mkfifo", [_world.In("pipe")]))
        {
            mkfifo.WaitForExit();
        }

        // Not /dev/null, which root would replace where this fails.
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_world.In("socket")));
        Assert.That(_world.Run([.. Words("socket", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Error, Does.Contain("neither a regular file nor a block device"));
        Assert.That(_world.Run([.. Words("pipe", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Run("convert", _world.In("pipe"), _world.In("copy"), "--format", "raw"), Is.EqualTo(ExitCode.BadStore), _world.Error);
        Assert.That(_world.Run("info", _world.In("pipe")), Is.Not.EqualTo(ExitCode.Done));
    }

    [Test]
    public void AnImageIsNotItsOwnCopy()
    {
        string raw = _world.Raw("disk");
        byte[] before = File.ReadAllBytes(raw);
        Assert.That(_world.Run([.. Words("disk", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage));
        File.CreateSymbolicLink(_world.In("link"), raw);
        Assert.That(_world.Run([.. Words("link", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage));
        Directory.CreateSymbolicLink(_world.In("elsewhere"), Path.GetDirectoryName(raw)!);
        Assert.That(_world.Run([.. Words("elsewhere/disk", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        using (System.Diagnostics.Process link = System.Diagnostics.Process.Start("ln", [raw, _world.In("hard")]))
        {
            link.WaitForExit();
        }

        Assert.That(_world.Run([.. Words("hard", "raw"), "--force"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Error, Does.Contain("is what would be read"));
        Assert.That(File.ReadAllBytes(raw), Is.EqualTo(before));
    }

    [Test]
    public void ADescriptorIsNotItsOwnCopy()
    {
        CliImageWorld.Require("vmdk");
        _world.Raw("disk");
        _world.Done([.. Words("image.vmdk", "vmdk"), "-o", "subformat=monolithicFlat"]);
        Assert.That(
            _world.Run("convert", _world.In("image.vmdk"), _world.In("image.vmdk"), "--format", "vmdk", "--force"), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Error, Does.Contain("is what would be read"));
    }

    [TestCase("qcow")]
    [TestCase("vmdk")]
    [TestCase("vhd")]
    [TestCase("vhdx")]
    public void AFormatWithoutSnapshotsIsNotDamaged(string format)
    {
        CliImageWorld.Require(format);
        _world.Raw("disk");
        Convert("image", format);
        Assert.That(
            _world.Run("convert", _world.In("image"), _world.In("copy"), "--format", "raw", "--snapshot", "x"), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Error, Does.Contain("has no snapshots inside"));
    }

    [Test]
    public void WhatFailsLeavesNothingBehind()
    {
        _world.Raw("disk");
        Assert.That(_world.Run([.. Words("copy", "raw"), "-o", "size=1"]), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run([.. Words("copy", "raw"), "-o", "size"]), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run([.. Words("copy", "raw"), "--compress"]), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run([.. Words("copy", "raw"), "--threads", "0"]), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run(Words("copy", "nonsense")), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run(Words("no/copy", "raw")), Is.EqualTo(ExitCode.NotFound));
        Assert.That(_world.Run("convert", _world.In("none"), _world.In("copy"), "--format", "raw"), Is.EqualTo(ExitCode.NotFound));
        Assert.That(_world.Run("convert", _world.In("disk"), _world.In("copy")), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Run("convert", _world.In("disk"), _world.In("copy"), "--format", "raw"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Error, Does.Contain("--source-format"));
        Assert.That(_world.Files, Is.EqualTo(Source));
    }

    [Test]
    public void AConversionThatIsInterruptedLeavesNothingBehind()
    {
        using CancellationTokenSource stop = new();
        stop.Cancel();
        ConvertSpec spec = new(
            new ImageSpec(_world.Raw("disk"), "raw"), _world.In("copy"), "raw", false, new Dictionary<string, string>(), false, 2);
        Assert.That(() => new Converter(_world.Paths, spec).Run(static (_, _) => { }, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_world.Files, Is.EqualTo(Source));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void WhatCameDuringAConversionIsNotReplaced(bool force)
    {
        ConvertSpec spec = new(
            new ImageSpec(_world.Raw("disk"), "raw"), _world.In("copy"), "qcow2", false, new Dictionary<string, string> { ["data_file"] = "data" }, force, 2);
        Assert.That(
            () => new Converter(_world.Paths, spec).Run((_, _) => File.WriteAllText(_world.In("copy"), "mine"), CancellationToken.None),
            Throws.InstanceOf<CliException>().With.Property("Failure").Property("Code").EqualTo(ExitCode.InUse));
        Assert.That(File.ReadAllText(_world.In("copy")), Is.EqualTo("mine"));
        Assert.That(_world.Files, Has.Length.EqualTo(2));
    }

    [Test]
    public void WhatALinkToNothingNamesIsMade()
    {
        File.CreateSymbolicLink(_world.In("copy"), _world.In("gone"));
        ConvertSpec spec = new(new ImageSpec(_world.Raw("disk"), "raw"), _world.In("copy"), "qcow2", false, new Dictionary<string, string>(), false, 2);
        new Converter(_world.Paths, spec).Run((_, _) => { }, CancellationToken.None);
        Assert.That(new FileInfo(_world.In("gone")), Has.Property("Exists").True.And.Property("LinkTarget").Null);
        Assert.That(new FileInfo(_world.In("copy")).LinkTarget, Is.EqualTo(_world.In("gone")));
    }

    [Test]
    public void ADeviceThatIsHalfWrittenIsSaidToBe()
    {
        Failure interrupted = Converter.HalfWritten("/dev/sdx", new OperationCanceledException()).Failure;
        Assert.That((interrupted.Code, interrupted.Object), Is.EqualTo((ExitCode.Interrupted, "/dev/sdx")));
        Assert.That(interrupted.Cure, Does.Contain("/dev/sdx is half written, convert again before it is used"));
        Failure failed = Converter.HalfWritten("/dev/sdx", new CliException(ExitCode.NoSpace, "a", "is too small", "take a larger one")).Failure;
        Assert.That(failed, Is.EqualTo(new Failure(ExitCode.NoSpace, "a", "is too small", "take a larger one: /dev/sdx is half written, convert again before it is used")));
    }

    /// <summary>The same on a device, as an operator sees it.</summary>
    [Test]
    [Category("Root")]
    public void AnInterruptedConversionOntoADeviceDoesNotSayThatNothingIsLeft()
    {
        byte[] left = OntoADevice(8 << 20, 512, (path, stop) => Assert.That(
            () => Onto(path, "raw").Run((_, _) => stop.Cancel(), stop.Token),
            Throws.InstanceOf<CliException>().With.Message.Contains("half written")));
        Assert.That(left.AsSpan(0, 4 << 20).ContainsAnyExcept((byte)0), Is.False);
    }

    /// <summary>What is made zeros before anything else can be stopped, too.</summary>
    [TestCase("raw")]
    [TestCase("vhd", "subformat", "fixed")]
    [TestCase("vhdx")]
    [Category("Root")]
    public void AConversionThatIsStoppedAtOnceLeavesADeviceAsItIs(string format, params string[] setting)
    {
        byte[] left = OntoADevice(64 << 20, 512, (path, stop) =>
        {
            stop.Cancel();
            Assert.That(() => Onto(path, format, setting).Run(static (_, _) => { }, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        });
        Assert.That(left.AsSpan().ContainsAnyExcept(Old), Is.False);
    }

    [Test]
    [Category("Root")]
    public void ADeviceThatIsTooSmallIsNotHalfWritten() => OntoADevice(1 << 20, 512, (path, stop) => Assert.That(
        () => Onto(path, "raw").Run(static (_, _) => { }, stop.Token),
        Throws.InstanceOf<CliException>().With.Message.Contains("take a larger device").And.Message.Not.Contains("half written")));

    /// <summary>Blocks as large as those of the device end behind the disk; what is zeros has no room behind the device.</summary>
    [TestCase(512U)]
    [TestCase(4096U)]
    [Category("Root")]
    public void ADeviceKeepsNothingOfWhatWasThere(uint blockBytes)
    {
        const int DeviceBytes = 16 << 20;
        byte[] found = OntoADevice(DeviceBytes, blockBytes, (path, stop) => Onto(path, "raw").Run(static (_, _) => { }, stop.Token));
        byte[] disk = File.ReadAllBytes(_world.In("disk"));
        int end = (disk.Length + (int)blockBytes - 1) / (int)blockBytes * (int)blockBytes;
        Assert.That(found.AsSpan(0, disk.Length).SequenceEqual(disk), Is.True);
        Assert.That(found.AsSpan(disk.Length, end - disk.Length).ContainsAnyExcept((byte)0), Is.False);
        Assert.That(found.AsSpan(end).ContainsAnyExcept(Old), Is.False, "behind the disk");
        Assert.That(SparseFile.OccupiedBytes(_world.In("file")), Is.LessThanOrEqualTo(DeviceBytes - disk.Length + SparseFile.OccupiedBytes(_world.In("disk")) + 65536));
    }

    [Test]
    public void AnImageThatAMachineWritesIsNotRead()
    {
        using ImageLocks machine = new();
        machine.LockStore(_world.Raw("disk"));
        Assert.That(_world.Run(Words("copy", "raw")), Is.EqualTo(ExitCode.InUse));
        Assert.That(_world.Files, Is.EqualTo(Source));
    }

    [TestCase("qcow2")]
    [TestCase("qcow2", "cluster_size=512")]
    [TestCase("qcow2", "cluster_size=2M,compat=0.10")]
    [TestCase("qcow2", "extended_l2=on,cluster_size=128k")]
    [TestCase("qcow")]
    [TestCase("vmdk")]
    [TestCase("vmdk", "subformat=monolithicFlat")]
    [TestCase("vmdk", "subformat=twoGbMaxExtentSparse")]
    [TestCase("vhd")]
    [TestCase("vhd", "subformat=fixed")]
    [TestCase("vhdx")]
    public void ADiskSurvivesEveryFormat(string format, string? settings = null)
    {
        CliImageWorld.Require(format);
        string raw = _world.Raw("disk");
        _world.Done([.. Words("image", format), .. settings is null ? [] : new[] { "-o", settings }]);
        Assert.That(_world.Run("check", _world.In("image")), Is.EqualTo(ExitCode.Done), _world.Out + _world.Error);
        _world.Done("convert", _world.In("image"), _world.In("back"), "--format", "raw");
        SameDisk(raw, _world.In("back"));
        string known = format == "vhd" ? "vpc" : format;
        CliImageWorld.Qemu("convert", "-q", "-f", known, "-O", "raw", _world.In("image"), _world.In("qemu"));
        SameDisk(raw, _world.In("qemu"));
        if (format is "qcow2" or "vmdk" or "vhdx")
        {
            CliImageWorld.Qemu("check", "-q", "-f", known, _world.In("image"));
        }
    }

    /// <summary>Where there is no hole, chunks adjoin over the borders of blocks, tables and extents.</summary>
    [TestCase("qcow2", "cluster_size=512")]
    [TestCase("qcow", "cluster_size=512")]
    [TestCase("vmdk", "subformat=vmfsSparse")]
    [TestCase("vhd", "subformat=dynamic")]
    [TestCase("vhdx", "block_size=1M")]
    public void ADiskWithoutHolesSurvives(string format, string settings)
    {
        byte[] content = new byte[(3 << 20) + 1536];
        new Random(7).NextBytes(content);
        File.WriteAllBytes(_world.In("disk"), content);
        _world.Done([.. Words("image", format), "-o", settings]);
        Assert.That(_world.Run("check", _world.In("image")), Is.EqualTo(ExitCode.Done), _world.Out + _world.Error);
        _world.Done("convert", _world.In("image"), _world.In("back"), "--format", "raw");
        SameDisk(_world.In("disk"), _world.In("back"));
    }

    [Test]
    public void ADiskThatNoFileCanHoldIsRefused()
    {
        CliImageWorld.Require("qcow2");
        string image = _world.In("image");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", image, "1024T");
        Assert.That(_world.Run("convert", image, _world.In("copy"), "--format", "raw"), Is.AnyOf(ExitCode.NoSpace, ExitCode.Done), _world.Error);
    }

    /// <summary>ext4 has no such file. A file system that has one takes it.</summary>
    [Test]
    public void AFileThatIsTooLargeForItsFileSystemIsForWantOfRoom()
    {
        using PlainFile file = PlainFile.CreateNew(_world.In("large"), "large");
        try
        {
            file.WriteAt([1], 1L << 60);
        }
        catch (CliException e)
        {
            Assert.That(e.Failure, Is.EqualTo(new Failure(
                ExitCode.NoSpace, "large", "cannot have 1152921504606846977 bytes on this file system", "take another format, or another file system")));
        }
    }

    [TestCase(null)]
    [TestCase("compression_type=zstd")]
    [TestCase("cluster_size=4096")]
    public void ACompressedImageIsReadByQemu(string? settings)
    {
        CliImageWorld.Require("qcow2");
        string raw = _world.Raw("disk");
        string image = _world.In("image");
        _world.Done([.. Words("image", "qcow2"), "--compress", .. settings is null ? [] : new[] { "-o", settings }]);
        CliImageWorld.Qemu("check", "-q", "-f", "qcow2", image);
        CliImageWorld.Qemu("convert", "-q", "-f", "qcow2", "-O", "raw", image, _world.In("qemu"));
        SameDisk(raw, _world.In("qemu"));
        Assert.That(_world.Done("map", image, "--json"), Does.Contain("\"compressed\": true"));
        Assert.That(SparseFile.OccupiedBytes(image), Is.LessThan(SparseFile.OccupiedBytes(raw)));
        _world.Done("convert", image, _world.In("back"), "--format", "raw", "--threads", "3");
        SameDisk(raw, _world.In("back"));
    }

    [TestCase("1")]
    [TestCase("5")]
    public void ACompressedVmdkIsAStream(string threads)
    {
        CliImageWorld.Require("vmdk");
        string raw = _world.Raw("disk");
        _world.Done([.. Words("image", "vmdk"), "--compress", "--threads", threads]);
        CliImageWorld.Qemu("convert", "-q", "-f", "vmdk", "-O", "raw", _world.In("image"), _world.In("qemu"));
        SameDisk(raw, _world.In("qemu"));
        Assert.That(_world.Done("info", _world.In("image")), Does.Contain("streamOptimized"));
    }

    [Test]
    public void ACompressedQcowIsReadByQemu()
    {
        CliImageWorld.Require("qcow");
        string raw = _world.Raw("disk");
        _world.Done([.. Words("image", "qcow"), "--compress", "-o", "cluster_size=8K", "--threads", "3"]);
        CliImageWorld.Qemu("convert", "-q", "-f", "qcow", "-O", "raw", _world.In("image"), _world.In("qemu"));
        SameDisk(raw, _world.In("qemu"));
        Assert.That(_world.Done("map", _world.In("image"), "--json"), Does.Contain("\"compressed\": true"));
    }

    [TestCase("qcow2", false)]
    [TestCase("qcow2", true)]
    public void TheNumberOfThreadsDoesNotShow(string format, bool compress)
    {
        CliImageWorld.Require(format);
        _world.Raw("disk");
        string[] more = compress ? ["--compress"] : [];
        _world.Done([.. Words("one", format), "--threads", "1", .. more]);
        _world.Done([.. Words("many", format), "--threads", "5", .. more]);
        Assert.That(File.ReadAllBytes(_world.In("one")), Is.EqualTo(File.ReadAllBytes(_world.In("many"))));
    }

    [Test]
    public void AChainBecomesOneImage()
    {
        CliImageWorld.Require("qcow2");
        _world.Raw("base.raw");
        string top = _world.In("top.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", top, "6M");
        CliImageWorld.QemuIo(top, "qcow2", "write -P 1 100k 300k", "write -z 1M 256k", "write -P 2 5M 100k");
        CliImageWorld.Qemu("convert", "-q", "-O", "raw", top, _world.In("qemu"));
        _world.Done("convert", top, _world.In("ours"), "--format", "raw");
        Assert.That(File.ReadAllBytes(_world.In("ours")), Is.EqualTo(File.ReadAllBytes(_world.In("qemu"))));
    }

    [Test]
    public void ABackingFileElsewhereNeedsLeave()
    {
        CliImageWorld.Require("qcow2");
        string raw = _world.Raw("base.raw");
        string home = Directory.CreateDirectory(_world.In("home")).FullName;
        string top = Path.Combine(home, "top.qcow2");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", top);
        Assert.That(_world.Run("convert", top, _world.In("copy"), "--format", "raw"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Error, Does.Contain("--backing-dir"));
        Assert.That(_world.Run("convert", top, _world.In("copy"), "--format", "raw", "--backing-dir", _world.In("x")), Is.EqualTo(ExitCode.NotFound));
        _world.Done("convert", top, _world.In("copy"), "--format", "raw", "--backing-dir", Path.GetDirectoryName(raw)!);
        SameDisk(raw, _world.In("copy"));
    }

    [Test]
    public void ASnapshotInsideCanBeCopied()
    {
        CliImageWorld.Require("qcow2");
        string raw = _world.Raw("disk");
        string image = _world.In("image");
        Convert("image", "qcow2");
        CliImageWorld.Qemu("snapshot", "-c", "before", image);
        CliImageWorld.QemuIo(image, "qcow2", "write -P 7 0 2M");
        _world.Done("convert", image, _world.In("then"), "--format", "raw", "--snapshot", "before");
        SameDisk(raw, _world.In("then"));
        Assert.That(_world.Run("convert", image, _world.In("never"), "--format", "raw", "--snapshot", "other"), Is.Not.EqualTo(ExitCode.Done));
        Assert.That(_world.Error, Does.Not.Contain("defect"));
    }

    [Test]
    public void FilesOfAnImageThatFailsAreDeletedToo()
    {
        CliImageWorld.Require("vmdk");
        _world.Raw("disk");
        File.WriteAllText(_world.In("image-flat.vmdk"), "mine");
        Assert.That(_world.Run([.. Words("image.vmdk", "vmdk"), "-o", "subformat=monolithicFlat"]), Is.EqualTo(ExitCode.InUse), _world.Error);
        Assert.That(_world.Files, Has.Length.EqualTo(2));
        Assert.That(File.ReadAllText(_world.In("image-flat.vmdk")), Is.EqualTo("mine"));
    }

    [TestCase("disk")]
    [TestCase("data")]
    [TestCase("inner/data")]
    public void ADataFileThatIsThereIsNotWritten(string name)
    {
        byte[] disk = File.ReadAllBytes(_world.Raw("disk"));
        Directory.CreateDirectory(_world.In("inner"));
        File.WriteAllText(_world.In("data"), "mine");
        File.WriteAllText(_world.In("inner/data"), "mine");
        Assert.That(_world.Run([.. Words("image", "qcow2"), "-o", $"data_file={name}"]), Is.EqualTo(ExitCode.InUse), _world.Error);
        Assert.That(File.ReadAllBytes(_world.In("disk")), Is.EqualTo(disk));
        Assert.That(File.ReadAllText(_world.In("data")), Is.EqualTo("mine"));
        Assert.That(File.ReadAllText(_world.In("inner/data")), Is.EqualTo("mine"));
        Assert.That(_world.Files, Has.Length.EqualTo(2));
    }

    [Test]
    public void ADataFileInAnotherDirectoryIsRefused()
    {
        _world.Raw("disk");
        Assert.That(_world.Run([.. Words("image", "qcow2"), "-o", "data_file=inner/data"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Files, Is.EqualTo(Source));
    }

    [Test]
    public void ADataFileIsNotCompressed()
    {
        _world.Raw("disk");
        Assert.That(_world.Run([.. Words("image", "qcow2"), "--compress", "-o", "data_file=data"]), Is.EqualTo(ExitCode.Usage), _world.Error);
        Assert.That(_world.Error, Does.StartWith("cowctl: --compress: is not for an image with a data file"));
        Assert.That(_world.Files, Is.EqualTo(Source));
    }

    [TestCase("off")]
    [TestCase("metadata")]
    public void ARawDataFileIsTheDisk(string preallocation)
    {
        using (FileStream end = new(_world.Raw("disk"), FileMode.Open))
        {
            end.SetLength(end.Length + (1 << 20));
        }

        _world.Done([.. Words("image", "qcow2"), "-o", $"data_file=data,data_file_raw=on,preallocation={preallocation}"]);
        Assert.That(File.ReadAllBytes(_world.In("data")), Is.EqualTo(File.ReadAllBytes(_world.In("disk"))));
    }

    [Test]
    public void ADamagedClusterEndsAConversionWithNothingLeft()
    {
        CliImageWorld.Require("qcow2");
        _world.Raw("disk");
        string packed = _world.In("packed");
        CliImageWorld.Qemu("convert", "-q", "-c", "-f", "raw", "-O", "qcow2", _world.In("disk"), packed);
        byte[] bytes = File.ReadAllBytes(packed);
        // Behind the metadata that such a small image has.
        bytes.AsSpan(0x50000).Fill(0xff);
        File.WriteAllBytes(packed, bytes);
        Assert.That(_world.Run("convert", packed, _world.In("copy"), "--format", "raw"), Is.EqualTo(ExitCode.BadStore), _world.Error);
        Assert.That(_world.Files, Has.Length.EqualTo(2));
    }

    private string[] Words(string name, string format) =>
        ["convert", _world.In("disk"), _world.In(name), "--format", format, "--source-format", "raw"];

    private void Convert(string name, string format) => _world.Done(Words(name, format));

    private Converter Onto(string path, string format, params string[] setting)
    {
        Dictionary<string, string> settings = setting is [string key, string value] ? new() { [key] = value } : [];
        return new Converter(_world.Paths, new ConvertSpec(new ImageSpec(_world.Raw("disk"), "raw"), path, format, false, settings, true, 2));
    }

    /// <summary>Runs something with a device on which somebody left something.</summary>
    /// <returns>What is there afterwards.</returns>
    private byte[] OntoADevice(int bytes, uint blockBytes, Action<string, CancellationTokenSource> action)
    {
        LoopDevices.Require();
        string file = _world.In("file");
        byte[] content = new byte[bytes];
        content.AsSpan().Fill(Old);
        File.WriteAllBytes(file, content);
        using CancellationTokenSource stop = new();
        using LoopDevice loop = LoopDevice.Attach(file, readOnly: false, directIo: false, blockBytes);
        try
        {
            action(loop.Path, stop);
        }
        finally
        {
            loop.Detach();
        }

        return File.ReadAllBytes(file);
    }

    /// <summary>Formats that count in cylinders or mebibytes make a disk longer, with zeros.</summary>
    private static void SameDisk(string raw, string copy)
    {
        byte[] wanted = File.ReadAllBytes(raw);
        byte[] found = File.ReadAllBytes(copy);
        Assert.That(found.AsSpan(0, wanted.Length).SequenceEqual(wanted), Is.True, "contents");
        Assert.That(found.AsSpan(wanted.Length).ContainsAnyExcept((byte)0), Is.False, "behind the end");
    }
}
