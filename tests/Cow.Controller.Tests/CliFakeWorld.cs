// SPDX-License-Identifier: MIT
using Cow.Controller.Cli;
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Ipc;

namespace Cow.Controller.Tests;

/// <summary>A machine and a daemon that say what the test wants, and remember what they were asked.</summary>
internal sealed class CliFakeWorld : IDaemonClient, IDaemonStarter, IMachine, IStoreShelf
{
    public StringWriter Out { get; } = new();

    public StringWriter Error { get; } = new();

    public List<Request> Requests { get; } = [];

    public List<FormatSpec> Formats { get; } = [];

    public bool Terminal { get; set; }

    public bool Colour { get; set; }

    public bool IsRunning { get; set; } = true;

    public bool HasDevices { get; set; } = true;

    public bool IsRoot { get; set; } = true;

    public int Starts { get; private set; }

    public Failure? StartFailure { get; set; }

    public int? AwaitedPid { get; private set; }

    public int Enabled { get; private set; }

    public string? NotEnabled { get; set; }

    public Func<Request, Response> Answer { get; set; } = static _ => new Response();

    public IReadOnlyList<TableLine>? Lines { get; set; }

    public MachineFacts Facts { get; set; } = Healthy;

    public StoreCheckReport CheckReport { get; set; } = new("/dev/vdc", "snapshot", 128, 7, [], []);

    public static MachineFacts Healthy { get; } = new(
        "6.12.43+deb12-cloud-amd64", "4.48.0", true, null, [new TargetFact("cow", "1.0.0")], [], [], [], []);

    public static DaemonReport Daemon { get; } = new(4711, ProductVersion.Text, 61.5, 1, 130_000_000, true);

    public static DeviceReport Device { get; } = new(
        "ident", "active", "snapshot", "/dev/vdb", "/dev/vdc", 204_800, 1024, 200, 24, 2, 20, 13_631_488, 536_870_912,
        240, 0, 0, 200, 40, 0, 4096, 3, 64, "wait", false, "rw", null, 1.25, 0.75);

    /// <summary>Runs a command line; words are separated by blanks.</summary>
    public ExitCode Run(string line) => Run(line.Length == 0 ? [] : line.Split(' '));

    public ExitCode Run(string[] words) =>
        (ExitCode)new CliApp(new CliHost(new Screen(Out, Error, Terminal, Colour), this, this, this, this)).Run(words);

    public Response Send(Request request)
    {
        Requests.Add(request);
        return IsRunning
            ? Answer(request)
            : new Response(new Failure(ExitCode.NoDaemon, "daemon", "cannot be reached", "start it with 'cowctl daemon run'"));
    }

    public void Start()
    {
        Starts++;
        if (StartFailure is not null)
        {
            throw new CliException(StartFailure);
        }

        IsRunning = true;
    }

    public string? EnableAtBoot()
    {
        Enabled++;
        return NotEnabled;
    }

    public int RunHere(bool takeover) => 0;

    public void AwaitEnd(int pid) => AwaitedPid = pid;

    public IReadOnlyList<TableLine>? Table(string name) => Lines;

    public string? NameOf(string deviceNumber) => deviceNumber == "7:0" ? "/dev/loop0 (/srv/vm1.cow)" : null;

    public MachineFacts Examine() => Facts;

    public FormatReport Plan(FormatSpec spec)
    {
        Formats.Add(spec);
        return new FormatReport(spec.Cow, "snapshot", spec.Sectors ?? 204_800, spec.ChunkSectors ?? 128, 131_072, 105_119_744, 536_870_912, false);
    }

    public FormatReport Create(FormatSpec spec) => Plan(spec) with { Written = true };

    public StoreCheckReport Check(CheckSpec spec) => CheckReport with { Cow = spec.Cow };
}
