// SPDX-License-Identifier: MIT
using System.Text.RegularExpressions;
using Cow.Controller.Cli;
using Cow.Controller.Cli.Output;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Errors: the form, the exit code, and what was done before them.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed partial class CliErrorTests
{
    private static readonly ExitCode[] Failures = [.. Enum.GetValues<ExitCode>().Where(static code => code != ExitCode.Done)];

    private readonly CliFakeWorld _world = new();

    [GeneratedRegex(@"^cowctl: [^\n]+?: [^\n]+; [^\n]+\n$")]
    private static partial Regex Form();

    [TestCase("", "cowctl: command: none is given; take one of create, open, list, ")]
    [TestCase("lst", "cowctl: lst: there is no such command; did you mean \"list\"?")]
    [TestCase("frobnicate", "cowctl: frobnicate: there is no such command; see \"cowctl --help\"")]
    [TestCase("--bogus", "cowctl: --bogus: there is no such option; see \"cowctl --help\"")]
    [TestCase("list --jsn", "cowctl: --jsn: list has no such option; did you mean \"--json\"?")]
    [TestCase("create", "cowctl: create: NAME is missing; see \"cowctl create --help\"")]
    [TestCase("create a", "cowctl: create: BASE is missing; see \"cowctl create --help\"")]
    [TestCase("create a b", "cowctl: create: COW is missing; see \"cowctl create --help\"")]
    [TestCase("create a b c 8 9", "cowctl: 9: is one argument too many for create; ")]
    [TestCase("create a b c --size", "cowctl: create: --size needs a value; ")]
    [TestCase("create a b c --no-space maybe", "cowctl: no-space maybe: is not a policy; say wait or error")]
    [TestCase("create a b c 1000", "cowctl: chunk 1000: is not a power of two; ")]
    [TestCase("create a b c --segments 0", "cowctl: segments 0: is not a number of table lines; ")]
    [TestCase("create a b c --base-format qcow2", "cowctl: --base-format: is for a disk image, and COW is to be a store, over BASE as it is; leave it out, or give the image's --format")]
    [TestCase("create a b c --format bitmap -o cluster_size=64k", "cowctl: -o: is for a disk image, and COW is to be a store, ")]
    [TestCase("create a b c --backing-dir /d", "cowctl: --backing-dir: is for a disk image, and COW is to be a store, ")]
    [TestCase("create a b c --format qcow2 --layer l", "cowctl: --layer: is for a store, and COW is to be a disk image; leave it out, or give --format bitmap")]
    [TestCase("create a b c --format vmdk --bitmap-device d", "cowctl: --bitmap-device: is for a store, and COW is to be a disk image; ")]
    [TestCase("create a/b b c", "cowctl: a/b: cannot name a device; ")]
    [TestCase("create control b c", "cowctl: control: cannot name a device; ")]
    [TestCase("status .", "cowctl: .: cannot name a device; ")]
    [TestCase("explain a x", "cowctl: sector x: is not the number of a sector; ")]
    [TestCase("extend a 0", "cowctl: size 0: is zero; ")]
    [TestCase("format c", "cowctl: c: the size of the device is not known; give --base BASE or --size S")]
    [TestCase("daemon", "cowctl: daemon: none is given; take one of run, status, stop")]
    [TestCase("daemon rn", "cowctl: rn: there is no such command; did you mean \"run\"?")]
    [TestCase("daemon status x", "cowctl: x: is one argument too many for daemon status; ")]
    public void AWrongCommandLineIsOneSentenceAndCodeTwo(string line, string start)
    {
        ExitCode code = _world.Run(line);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(ExitCode.Usage));
            Assert.That(_world.Error.ToString(), Does.StartWith(start).And.Match(Form()));
            Assert.That(_world.Out.ToString(), Is.Empty);
            Assert.That(_world.Requests, Is.Empty);
            Assert.That(_world.Starts, Is.Zero);
        });
    }

    /// <summary>The unique id of a device of ours has a prefix, and room for no more than a name of this length.</summary>
    [TestCase("remove", 121, ExitCode.Done)]
    [TestCase("remove", 122, ExitCode.Usage)]
    [TestCase("create", 122, ExitCode.Usage)]
    [TestCase("table", 127, ExitCode.NotFound)]
    [TestCase("table", 128, ExitCode.Usage)]
    public void AnErrorAboutANameTellsHowLongOneMayBe(string verb, int length, ExitCode code)
    {
        Assert.That(_world.Run($"{verb} {new string('x', length)}{(verb == "create" ? " b c" : "")}"), Is.EqualTo(code));
        Assert.That(_world.Error.ToString(), code == ExitCode.Usage ? Does.Contain($"take 1 to {length - 1} letters") : Does.Not.Contain("letters"));
        Assert.That(MappedDevice.UuidOf(new string('x', MappedDevice.LongestName)).Value, Has.Length.EqualTo(DmUuid.MaxLength));
    }

    [TestCase("No space left on device : '/a/b'", "/a/b", "No space left on device")]
    [TestCase("No space left on device", "cowctl", "No space left on device")]
    public void AFullFileSystemIsSaidOfTheFile(string message, string about, string reason) => Assert.That(
        Cli.Failures.Of(new IOException(message, (int)Errno.ENOSPC)), Is.EqualTo(new Failure(ExitCode.NoSpace, about, reason, "make room first")));

    [Test]
    public void WhatTheDaemonRefusesBecomesItsExitCode([ValueSource(nameof(Failures))] ExitCode code)
    {
        _world.Answer = _ => new Response(new Failure(code, "/dev/vdc", "it is so", "do this"));
        Assert.That(_world.Run("create a /b /dev/vdc"), Is.EqualTo(code));
        Assert.That(_world.Error.ToString(), Is.EqualTo("cowctl: /dev/vdc: it is so; do this\n"));
        Assert.That(_world.Out.ToString(), Is.Empty);
    }

    [TestCase("create a b c")]
    [TestCase("list")]
    [TestCase("status")]
    [TestCase("table a")]
    [TestCase("explain a 0")]
    [TestCase("compact a")]
    [TestCase("extend a")]
    [TestCase("remove a")]
    [TestCase("daemon run")]
    [TestCase("daemon status")]
    [TestCase("daemon stop")]
    [TestCase("doctor")]
    public void WithoutRootNothingIsTried(string line)
    {
        _world.IsRoot = false;
        _world.IsRunning = false;
        Assert.That(_world.Run(line), Is.EqualTo(ExitCode.Permission));
        Assert.That(_world.Error.ToString(), Does.EndWith("only root may do this; run it with sudo\n"));
        Assert.That(_world.Starts, Is.Zero);
        Assert.That(_world.Requests, Is.Empty);
    }

    [Test]
    public void CreateStartsTheDaemon()
    {
        _world.IsRunning = false;
        _world.HasDevices = false;
        Assert.That(_world.Run("create a /b /c"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Starts, Is.EqualTo(1));
    }

    [Test]
    public void AMissingModuleIsSaidByCreate()
    {
        _world.IsRunning = false;
        _world.StartFailure = new Failure(ExitCode.NoModule, "module dm-cow", "cannot be loaded", "install it");
        Assert.That(_world.Run("create a /b /c"), Is.EqualTo(ExitCode.NoModule));
        Assert.That(_world.Error.ToString(), Is.EqualTo("cowctl: module dm-cow: cannot be loaded; install it\n"));
        Assert.That(_world.Requests, Is.Empty);
    }

    [Test]
    public void AskingAboutNothingStartsNoDaemon()
    {
        _world.IsRunning = false;
        _world.HasDevices = false;
        Assert.Multiple(() =>
        {
            Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.Done));
            Assert.That(_world.Run("remove a"), Is.EqualTo(ExitCode.NotFound));
            Assert.That(_world.Run("daemon stop"), Is.EqualTo(ExitCode.Done));
            Assert.That(_world.Run("daemon status"), Is.EqualTo(ExitCode.NoDaemon));
            Assert.That(_world.Starts, Is.Zero);
        });
    }

    [Test]
    public void ADaemonThatDiedIsStartedForItsDevices()
    {
        _world.IsRunning = false;
        Assert.That(_world.Run("remove a"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Starts, Is.EqualTo(1));
    }

    [Test]
    public void ARequestThatGotNoAnswerIsNotSentAgain()
    {
        _world.Answer = static _ => new Response(new Failure(ExitCode.NoDaemon, "daemon", "ended before it answered", "look at its log"));
        Assert.That(_world.Run("create a /b /c"), Is.EqualTo(ExitCode.NoDaemon));
        Assert.That(_world.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public void WhatADefectThrowsIsASentenceToo()
    {
        _world.Answer = static _ => throw new InvalidOperationException("oops");
        Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.Internal));
        Assert.That(_world.Error.ToString(), Does.Match(Form()).And.Contain("InvalidOperationException: oops"));
    }

    [TestCase(Errno.EBUSY, ExitCode.InUse)]
    [TestCase(Errno.EACCES, ExitCode.Permission)]
    [TestCase(Errno.ENOENT, ExitCode.NotFound)]
    [TestCase(Errno.ENOSPC, ExitCode.NoSpace)]
    [TestCase(Errno.EDQUOT, ExitCode.NoSpace)]
    [TestCase(Errno.EFBIG, ExitCode.NoSpace)]
    [TestCase(Errno.EIO, ExitCode.Kernel)]
    public void WhatTheKernelRefusesIsClassified(Errno errno, ExitCode code)
    {
        _world.Answer = _ => throw new LinuxException(errno, "open", "/dev/vdc", "advice");
        Assert.That(_world.Run("list"), Is.EqualTo(code));
        Assert.That(_world.Error.ToString(), Does.StartWith("cowctl: /dev/vdc: open: ").And.EndWith("; advice\n"));
    }

    [TestCase(Errno.ENOSPC, "make room first")]
    [TestCase(Errno.EDQUOT, "make room first")]
    [TestCase(Errno.EFBIG, "take another format, or another file system")]
    public void WantOfRoomIsKnownByItsNumber(Errno errno, string cure)
    {
        IOException full = new("/dev/vdc: no room for a table", (int)errno);
        _world.Answer = _ => throw full;
        Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.NoSpace));
        Assert.That(_world.Error.ToString(), Is.EqualTo($"cowctl: cowctl: /dev/vdc: no room for a table; {cure}\n"));
        Assert.That(RefusedException.Of(full, "vm1"), Is.EqualTo(new Failure(ExitCode.NoSpace, "vm1", full.Message, "make room")));
    }

    [Test]
    public void TooManyOpenFilesHaveACure()
    {
        _world.Answer = static _ => throw new LinuxException(Errno.EMFILE, "open", "/srv/a.vmdk");
        Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.Kernel));
        Assert.That(_world.Error.ToString(), Does.EndWith("; allow more open files (ulimit -Hn)\n"));
    }

    [Test]
    public void AMissingDriverIsNoModule()
    {
        _world.Answer = static _ => throw new LinuxException(Errno.ENODEV, "open", "/dev/mapper/control");
        Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.NoModule));
    }

    [Test]
    public void NothingThatATerminalObeysIsPrinted()
    {
        _world.Answer = static _ => throw new ImageFormatException("/srv/\u001b[2Jx\ny", 8, "magic", "\u0007");
        Assert.That(_world.Run("list"), Is.EqualTo(ExitCode.BadStore));
        Assert.That(_world.Error.ToString(), Does.Match(Form()).And.Not.Contain("\u001b").And.Not.Contain("\u0007"));
    }

    [TestCase("create ident /b /c", "ident")]
    [TestCase("create ident /b /c --json", "ident")]
    [TestCase("open ident /c", "ident")]
    [TestCase("compact ident", "ident")]
    [TestCase("format /c --size 1M --json", "/c")]
    [TestCase("check /c --repair", "/c")]
    public void WhatIsDoneIsSaidToBeWhereTheAnswerCannotBeWritten(string line, string about)
    {
        _world.Answer = static _ => new Response(Devices: [CliFakeWorld.Device], Compaction: new CompactReport(40, 3, 20, 1.25));
        using FullWriter full = new();
        Assert.That(Run(line, full, _world.Error), Is.EqualTo(ExitCode.NoSpace));
        Assert.That(_world.Error.ToString(), Is.EqualTo(
            $"cowctl: {about}: what was asked for is done, only the answer could not be written (No space left on device); do not ask for it again\n"));
    }

    [TestCase("list")]
    [TestCase("format /c --size 1M --dry-run")]
    [TestCase("check /c")]
    public void WhatIsOnlyAskedForIsNotSaidToBeDone(string line)
    {
        _world.Answer = static _ => new Response(Devices: [CliFakeWorld.Device]);
        using FullWriter full = new();
        Assert.That(Run(line, full, _world.Error), Is.EqualTo(ExitCode.NoSpace));
        Assert.That(_world.Error.ToString(), Is.EqualTo("cowctl: cowctl: No space left on device; make room first\n"));
    }

    [Test]
    public void AnErrorThatNobodyCanReadStillHasItsExitCode()
    {
        using FullWriter full = new();
        Assert.That(Run("remove a/b", _world.Out, full), Is.EqualTo(ExitCode.Usage));
        Assert.That(Run("list", full, full), Is.EqualTo(ExitCode.Done), "nothing was to be said");
        _world.NotEnabled = "Access denied";
        Assert.That(Run("create a /b /c --at-boot", _world.Out, full), Is.EqualTo(ExitCode.Done));
        _world.Answer = static _ => new Response(new Failure(ExitCode.InUse, "a", "is open", "close it"));
        Assert.That(Run("remove a", full, full), Is.EqualTo(ExitCode.InUse));
    }

    [Test]
    public void ATerminalThatIsGoneDoesNotEndTheWork()
    {
        using FullWriter gone = new();
        bool done = false;
        ProgressBar.During(new Screen(_world.Out, gone, false, false) { ErrorTerminal = true }, "copy", progress =>
        {
            progress(1, 2);
            // Longer than it takes to be drawn again, by a thread of its own.
            Thread.Sleep(300);
            done = true;
        });
        Assert.That(done, Is.True);
    }

    [Test]
    public void HowFarItIsShowsOnATerminal()
    {
        ProgressBar.During(
            new Screen(_world.Out, _world.Error, false, false) { ErrorTerminal = true }, "copy", static progress => progress(1, 2));
        Assert.That(_world.Error.ToString(), Does.Contain("\u001b[").And.Contain("copy"));
    }

    [Test]
    public void HelpAndVersionGoToStdout()
    {
        Assert.That(_world.Run("--version"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Does.Match("^cowctl [0-9]+[.][0-9]+[.][0-9]+([+][0-9a-f]+)?\n$"));
        Assert.That(_world.Run("create --help"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Does.Contain("--no-space").And.Contain("<CHUNK>"));
        Assert.That(_world.Error.ToString(), Is.Empty);
    }

    private ExitCode Run(string line, TextWriter output, TextWriter error) =>
        (ExitCode)new CliApp(new CliHost(new Screen(output, error, false, false), _world, _world, _world, _world)).Run(line.Split(' '));
}
