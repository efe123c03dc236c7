// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Cli;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary><c>format</c> and <c>check</c> on real files, with the real formats.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliStoreTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("cowctl-test-").FullName;
    private readonly CliFakeWorld _world = new() { IsRoot = false };

    private string Store => Path.Combine(_scratch, "store");

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [TestCase("snapshot")]
    [TestCase("bitmap")]
    public void AFormattedStoreIsCleanAndSparse(string format)
    {
        Assert.That(Run($"format {Store} 16 --size 1G --format {format}"), Is.EqualTo(ExitCode.Done), _world.Error.ToString());
        Assert.That(_world.Out.ToString(), Is.Empty);
        Assert.That(new FileInfo(Store).Length, Is.GreaterThan(1L << 30));
        Assert.That(Run($"check {Store} --size 1G"), Is.EqualTo(ExitCode.Done), _world.Error.ToString() + _world.Out);
        Assert.That(_world.Out.ToString(), Is.EqualTo($"{Store}: {format}, 0 chunks of 8 KiB: clean\n"));
    }

    [Test]
    public void ADryRunChangesNothing()
    {
        Assert.That(Run($"format {Store} 16 --size 1G --dry-run"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Does.Contain("to take a full rewrite"));
        Assert.That(File.Exists(Store), Is.False);
    }

    [Test]
    public void TheSizeComesFromTheBase()
    {
        string lower = Path.Combine(_scratch, "base");
        File.WriteAllBytes(lower, new byte[1_000_001]);
        Assert.That(Run($"format {Store} --base {lower} --dry-run --json"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Does.Contain("\"sectors\": 1954"));
        Assert.That(Run($"format {Store} --base {lower} --size 1M"), Is.EqualTo(ExitCode.Usage));
        Assert.That(Run($"format {Store} --base {lower}.not"), Is.EqualTo(ExitCode.NotFound));
        Assert.That(File.Exists(Store), Is.False);
    }

    [TestCase("format {0}/base --base {0}/base")]
    [TestCase("format {0}/link --base {0}/base")]
    [TestCase("format {0}/hard --base {0}/base --dry-run")]
    [TestCase("format {0}/store --base {0}/base --format bitmap --bitmap-device {0}/hard")]
    [TestCase("format {0}/hard --size 1M --format bitmap --bitmap-device {0}/base")]
    [TestCase("format {0}/store --size 1M --format bitmap --bitmap-device {0}/store")]
    public void OneFileIsNotTwoOfAStore(string line)
    {
        string lower = Path.Combine(_scratch, "base");
        byte[] golden = new byte[1 << 20];
        File.WriteAllBytes(lower, golden);
        File.CreateSymbolicLink(Path.Combine(_scratch, "link"), lower);
        using (Process link = Process.Start("ln", [lower, Path.Combine(_scratch, "hard")]))
        {
            link.WaitForExit();
        }

        Assert.That(Run($"{string.Format(null, line, _scratch)} --force"), Is.EqualTo(ExitCode.Usage), _world.Error.ToString());
        Assert.That(_world.Error.ToString(), Does.Contain("itself; give another device or file for the "));
        Assert.That(File.ReadAllBytes(lower), Is.EqualTo(golden));
        Assert.That(File.Exists(Store), Is.False);
    }

    [Test]
    public void AStoreThatIsTooLargeForAFileIsForWantOfRoom()
    {
        // More than ext4 has in a file; a file system that has it is told nothing.
        Assert.That(Run($"format {Store} 1M --size 1000T"), Is.AnyOf(ExitCode.NoSpace, ExitCode.Done), _world.Error.ToString());
    }

    [Test]
    public void AStoreIsNotOverwrittenWithoutForce()
    {
        Run($"format {Store} --size 1M");
        Assert.That(Run($"format {Store} --size 1M"), Is.EqualTo(ExitCode.ForeignSignature));
        Assert.That(_world.Error.ToString(), Does.Contain("already holds a store of format snapshot; "));
        Assert.That(Run($"format {Store} --size 1M --force"), Is.EqualTo(ExitCode.Done));
    }

    [Test]
    public void AForeignFileIsLeftAsItIs()
    {
        byte[] foreign = new byte[8192];
        foreign[1080] = 0x53;
        foreign[1081] = 0xef;
        File.WriteAllBytes(Store, foreign);
        Assert.That(Run($"format {Store} --size 1M"), Is.EqualTo(ExitCode.ForeignSignature));
        Assert.That(_world.Error.ToString(), Does.Contain("already bears ext2/3/4; "));
        Assert.That(File.ReadAllBytes(Store), Is.EqualTo(foreign));
    }

    [Test]
    public void WhatFailsLeavesNoFileBehind()
    {
        Assert.That(Run($"format {Store} 16 --size 1M --bitmap-device {_scratch}/b"), Is.EqualTo(ExitCode.Usage));
        Assert.That(Directory.GetFiles(_scratch), Is.Empty);
        Assert.That(Run($"format {Store} 1 --size 1T --format bitmap"), Is.EqualTo(ExitCode.Usage));
        Assert.That(_world.Error.ToString(), Does.Contain("refuses: ").And.Not.Contain("Parameter"));
        Assert.That(Run($"format {Store} --size 1M --format vmdk"), Is.EqualTo(ExitCode.Usage));
        Assert.That(Run($"format {_scratch}/no/such --size 1M"), Is.EqualTo(ExitCode.NotFound), _world.Error.ToString());
        Assert.That(Directory.GetFiles(_scratch), Is.Empty);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void WhatIsNoFileIsRefusedAndStays(bool link)
    {
        string directory = Path.Combine(_scratch, "directory");
        Directory.CreateDirectory(directory);
        string named = link ? Path.Combine(_scratch, "link") : directory;
        if (link)
        {
            Directory.CreateSymbolicLink(named, directory);
        }

        foreach (string line in (string[])[$"format {named} --size 1M", $"format {Store} --size 1M --format bitmap --bitmap-device {named}"])
        {
            Assert.That(Run(line), Is.EqualTo(ExitCode.BadStore), _world.Error.ToString());
            Assert.That(_world.Error.ToString(), Does.EndWith($"cowctl: {named}: is neither a regular file nor a block device; name one\n"));
        }

        Assert.That(Directory.Exists(named));
        Assert.That(new FileInfo(named).LinkTarget, Is.EqualTo(link ? directory : null));
        Assert.That(Directory.GetFiles(_scratch), Is.Empty, "the store that was made is taken back");
    }

    [Test]
    public void WhatIsThereAlreadyIsNotMade()
    {
        File.WriteAllText(Store, "somebody's");
        Assert.That(new StoreFiles(Paths).Make(Store), Is.Null);
        Assert.That(new StoreFiles(Paths).Make($"{Store}2"), Is.EqualTo(CreatedFile.Of($"{Store}2")));
        Assert.That(() => new StoreFiles(Paths).Make(Path.Combine(_scratch, "no", "such")), Throws.TypeOf<DirectoryNotFoundException>());
    }

    [Test]
    public void ADamagedStoreIsAFinding()
    {
        Run($"format {Store} 16 --size 1M");
        using (FileStream file = new(Store, FileMode.Open))
        {
            file.Position = 8192;
            file.Write([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]);
        }

        Assert.That(Run($"check {Store}"), Is.EqualTo(ExitCode.Findings), _world.Error.ToString());
        Assert.That(_world.Out.ToString(), Does.StartWith("error: "));
    }

    [Test]
    public void WhatIsNoStoreIsSaidToBeNone()
    {
        File.WriteAllBytes(Store, new byte[65536]);
        Assert.That(Run($"check {Store}"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(Run($"check {Store}.not"), Is.EqualTo(ExitCode.NotFound));
        Assert.That(Run($"check {Store} --format x"), Is.EqualTo(ExitCode.Usage));
    }

    [Test]
    public void AStoreThatADeviceUsesIsRefused()
    {
        Run($"format {Store} --size 1M");
        CreateSpec spec = new("vm1", null, Store, null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false);
        new StateStore(Paths).Write(DeviceState.Of(spec) with { Phase = DevicePhase.Active });
        Assert.That(Run($"check {Store}"), Is.EqualTo(ExitCode.InUse));
        Assert.That(Run($"format {Store} --size 1M --force"), Is.EqualTo(ExitCode.InUse));
        Assert.That(_world.Error.ToString(), Does.Contain("device vm1 uses it; run \"cowctl remove vm1\" first"));
    }

    private DaemonPaths Paths => DaemonPaths.Default with { Run = Path.Combine(_scratch, "run") };

    private ExitCode Run(string line) => (ExitCode)new CliApp(new CliHost(
        new Screen(_world.Out, _world.Error, false, false), _world, _world, _world, new StoreShelf(new StoreFiles(Paths)))).Run(line.Split(' '));
}
