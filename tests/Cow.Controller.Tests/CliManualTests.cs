// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization.Metadata;
using Cow.Controller.Cli;
using Cow.Controller.Cli.Commands;
using Cow.Controller.Cli.Output;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>The manual page says all that the program can.</summary>
[TestFixture]
internal sealed class CliManualTests
{
    public static string Manual([CallerFilePath] string here = "") =>
        File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "dist", "cowctl.8.scd"));

    [Test]
    public void EveryExitCodeIsInTheManual([Values] ExitCode code)
    {
        string entry = code == ExitCode.Done ? "*0*\n" : $"*{(int)code}* ({code})\n";
        Assert.That(Manual(), Does.Contain(entry));
    }

    [TestCase("--backing-dir")]
    [TestCase("--backing-format")]
    [TestCase("--force-share")]
    public void ASharedOptionIsSaidOfTheVerbsThatHaveIt(string option)
    {
        CliFakeWorld world = new();
        RootCommand root = CommandTree.Build(new CliHost(new Screen(world.Out, world.Error, false, false), world, world, world, world));
        string entry = Manual().Split("have:\n")[^1].Split('\n').First(line => line.StartsWith($"\t*{option}*", StringComparison.Ordinal));
        foreach (string verb in (string[])["info", "map", "check", "convert"])
        {
            bool has = root.Subcommands.Single(command => command.Name == verb).Options.Any(known => known.Name == option);
            Assert.That(entry.Contains($"*{verb}*", StringComparison.Ordinal), Is.EqualTo(has), verb);
        }
    }

    [Test]
    public void EveryStateThatExplainTellsIsInTheManual([Values] ExtentKind kind, [Values] bool uncommitted, [Values] bool linear)
    {
        CreateSpec spec = new("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, false);
        Extent where = new(new ChunkRun(0, 1), kind, default);
        string state = DeviceReports.Explain(DeviceState.Of(spec), new ChunkGeometry(8, 8), 0, where, uncommitted, linear).State;
        Assert.That(Json("explain"), Does.Match($@"[(, ]{state}[,)]"));
    }

    [Test]
    public void EveryFieldOfInfoIsInTheManual()
    {
        string fields = Json("info");
        Assert.Multiple(() =>
        {
            foreach (JsonPropertyInfo field in CliJson.Default.ImageReport.Properties)
            {
                Assert.That(fields, Does.Match($@"\b{field.Name}\b"));
            }
        });
    }

    [Test]
    public void EveryVerbAndOptionIsInTheManual()
    {
        CliFakeWorld world = new();
        RootCommand root = CommandTree.Build(new CliHost(new Screen(world.Out, world.Error, false, false), world, world, world, world));
        string manual = Manual();
        Assert.Multiple(() =>
        {
            foreach (Command verb in root.Subcommands)
            {
                Assert.That(manual, Does.Contain($"*{verb.Name}").Or.Contain($"*cowctl {verb.Name}"), verb.Name);
                foreach (Option option in verb.Options)
                {
                    Assert.That(manual, Does.Contain(option.Name), $"{verb.Name} {option.Name}");
                }
            }
        });
    }

    /// <summary>What the chapter JSON says of a verb.</summary>
    private static string Json(string verb) => Manual().Split("# JSON\n")[^1].Split($"\n*{verb}*\n")[1].Split("\n\n")[0];
}
