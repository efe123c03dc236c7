// SPDX-License-Identifier: MIT
using System.Text.Json;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What a reader and what a program gets to see.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class CliOutputTests
{
    private readonly CliFakeWorld _world = new()
    {
        Answer = static _ => new Response(
            Devices: [CliFakeWorld.Device, CliFakeWorld.Device with { Name = "a-longer-name", Base = null, Mode = "ro", CapacityBytes = long.MaxValue }]),
        Lines = [new TableLine(0, 1024, "linear", "7:0 2048"), new TableLine(1024, 203_776, "cow", "ident 8:16 7:0 1024")],
    };

    [Test]
    public void AListIsATidyTable()
    {
        _world.Run("list");
        string[] expected =
        [
            "NAME           STATE   MODE  FORMAT       SIZE    CHUNK  CHANGED              STORE  LINES  BASE      COW",
            "ident          active  rw    snapshot  100 MiB  512 KiB   12 MiB  13 MiB of 512 MiB      3  /dev/vdb  /dev/vdc",
            "a-longer-name  active  ro    snapshot  100 MiB  512 KiB   12 MiB             13 MiB      3  -         /dev/vdc",
            "",
        ];
        Assert.That(_world.Out.ToString().Split('\n'), Is.EqualTo(expected));
    }

    [Test]
    public void AnEmptyListIsSilent()
    {
        _world.Answer = static _ => new Response(Devices: []);
        _world.Run("list");
        Assert.That(_world.Out.ToString(), Is.Empty);
    }

    [Test]
    public void StatusSaysWhatMattersFirst()
    {
        _world.Answer = static _ => new Response(Devices:
            [CliFakeWorld.Device with { Mode = "ro", Problem = "metadata cannot be written", WaitingForSpace = true }]);
        _world.Run("status ident");
        string[] lines = _world.Out.ToString().Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(lines[0], Is.EqualTo("ident            active, ro"));
            Assert.That(lines[1], Is.EqualTo("  problem        metadata cannot be written"));
            Assert.That(lines, Has.Some.EqualTo("  changed        12 MiB in 24 of 200 chunks (12 %), 2 uncommitted"));
            Assert.That(lines, Has.Some.EqualTo("  when full      wait; writers are waiting: cowctl extend ident"));
            Assert.That(lines, Has.Some.EqualTo("  table          3 lines of 64 allowed, 20 chunks in linear lines"));
        });
    }

    [Test]
    public void ColoursAreForTerminalsAndSayNothingElse()
    {
        _world.Colour = true;
        _world.Run("list");
        string rich = _world.Out.ToString();
        Assert.That(rich, Does.Contain("\u001b[").And.Contain("a-longer-name").And.Contain("/dev/vdc"));
    }

    [Test]
    public void ATableIsThatOfDmsetup()
    {
        _world.Run("table ident");
        Assert.That(_world.Out.ToString(), Is.EqualTo("0 1024 linear 7:0 2048\n1024 203776 cow ident 8:16 7:0 1024\n"));
    }

    [Test]
    public void ATerminalGetsALegend()
    {
        _world.Terminal = true;
        _world.Run("table ident");
        Assert.That(
            _world.Out.ToString(),
            Does.Contain("7:0      /dev/loop0 (/srv/vm1.cow)").And.Contain("8:16     (gone)").And.Contain("1 of 2 lines, 512 KiB"));
    }

    [Test]
    public void AMissingTableIsNotFound()
    {
        _world.Lines = null;
        Assert.That(_world.Run("table ident"), Is.EqualTo(ExitCode.NotFound));
    }

    [TestCase("list --json", "devices")]
    [TestCase("status --json", "devices")]
    [TestCase("status ident --json", "devices")]
    [TestCase("table ident --json", "devices,lines,name")]
    [TestCase("doctor --json", "daemon,deviceMapper,findings,kernel,moduleLoaded,targets")]
    [TestCase("check /c --json", "chunkSectors,cow,errors,format,leaks,placedChunks,repaired")]
    [TestCase(
        "format /c --size 1M --json",
        "chunkSectors,cow,cowBytes,format,fullRewriteBytes,metadataBytes,sectors,written")]
    [TestCase(
        "create ident /b /c --json",
        "attachMilliseconds,base,capacityBytes,chunkSectors,collapsedChunks,copies,copiesSkipped,cow,errors,faultsOutstanding,faultsServed,"
        + "format,kernelMapBytes,longestReloadMilliseconds,mode,name,noSpace,oldestFaultMilliseconds,placedChunks,problem,sectors,"
        + "segmentBudget,state,tableLines,totalChunks,uncommittedChunks,usedBytes,waitingForSpace")]
    public void JsonHasStableFields(string line, string fields)
    {
        _world.Run(line);
        using JsonDocument document = JsonDocument.Parse(_world.Out.ToString());
        string found = string.Join(',', document.RootElement.EnumerateObject().Select(static field => field.Name).Order(StringComparer.Ordinal));
        Assert.That(found, Is.EqualTo(fields));
    }

    [Test]
    public void JsonOfExplainCompactAndDaemon()
    {
        _world.Answer = static _ => new Response(
            Daemon: CliFakeWorld.Daemon,
            Explanation: new ExplainReport("ident", 5, 0, "zero", null, null, "zeros"),
            Compaction: new CompactReport(40, 3, 20, 1.25));
        Assert.Multiple(() =>
        {
            Assert.That(Fields("explain ident 5 --json"), Is.EqualTo("name,sector,chunk,state,device,deviceSector,sentence"));
            Assert.That(Fields("compact ident --json"), Is.EqualTo("linesBefore,linesAfter,collapsedChunks,pauseMilliseconds"));
            Assert.That(Fields("daemon status --json"), Is.EqualTo("pid,version,uptimeSeconds,devices,residentBytes,pinned"));
        });
    }

    [Test]
    public void EveryJsonFieldIsInTheManual()
    {
        string manual = CliManualTests.Manual();
        string[] lines = ["create ident /b /c --json", "table ident --json", "doctor --json", "check /c --json", "format /c --size 1M --json"];
        Assert.Multiple(() =>
        {
            foreach (string field in lines.SelectMany(line => Fields(line).Split(',')))
            {
                Assert.That(manual, Does.Contain(field));
            }
        });
    }

    [Test]
    public void ADryRunSaysWhetherTheDeviceIsLargeEnough()
    {
        _world.Run("format /c --size 100M --dry-run");
        Assert.That(_world.Out.ToString(), Does.Contain("metadata     128 KiB (131072 bytes) at most").And.Contain("512 MiB (536870912 bytes), enough"));
    }

    [Test]
    public void ACheckThatFindsSomethingSaysSoAndExitsWithTwelve()
    {
        Assert.That(_world.Run("check /c"), Is.EqualTo(ExitCode.Done));
        Assert.That(_world.Out.ToString(), Is.EqualTo("/c: snapshot, 7 chunks of 64 KiB: clean\n"));
        _world.CheckReport = _world.CheckReport with { Errors = ["two chunks share a place"], Leaks = ["one place is lost"] };
        Assert.That(_world.Run("check /c"), Is.EqualTo(ExitCode.Findings));
        Assert.That(_world.Out.ToString(), Does.Contain("error: two chunks share a place\nleak: one place is lost\n"));
    }

    private string Fields(string line)
    {
        _world.Out.GetStringBuilder().Clear();
        _world.Run(line);
        using JsonDocument document = JsonDocument.Parse(_world.Out.ToString());
        return string.Join(',', document.RootElement.EnumerateObject().Select(static field => field.Name));
    }
}
