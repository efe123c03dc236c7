// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Cow.Controller.Cli.Convert;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl convert</c>: the disk of an image, with all that it is backed by, as a new image.</summary>
internal sealed class ConvertCommand : Command
{
    private const int MostThreads = 64;

    /// <summary>Each opens the chain for itself, with whatever memory that takes.</summary>
    private const int DefaultThreads = 8;

    private readonly Argument<string> _source = new("SRC") { Description = "The disk image." };
    private readonly Argument<string> _destination = new("DST") { Description = "The new image: a file that there is not yet, or a device." };
    private readonly Option<string?> _format = Symbols.ImageFormat("--format", $"Format of the new image: {string.Join(", ", ImageFormats.OfImages)}.");
    private readonly Option<string?> _sourceFormat = Symbols.ImageFormat("--source-format", "Format of SRC, where it is not recognised: raw, say.");
    private readonly Option<string?> _backingFormat = Symbols.BackingFormat();
    private readonly Option<bool> _compress = Symbols.Flag("--compress", "Compress what is written.");
    private readonly Option<string[]> _settings = new("-o")
    {
        Description = "Settings of the new image's format, as qemu-img knows them: several with commas between, or repeated. No value contains a comma.",
        HelpName = "KEY=VALUE",
    };

    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<string?> _snapshot = Symbols.Text("--snapshot", "S", "Id or name of a snapshot inside SRC that is read instead.");
    private readonly Option<string?> _threads = Symbols.Text("--threads", "N", "Threads that read, compress and write; as many as processors if not given, but 8 at most.");
    private readonly Option<bool> _force = Symbols.Flag("--force", "Also over a file or device that is there.");

    public ConvertCommand(CliHost host)
        : base("convert", "Copy the disk of an image into a new image of any format.")
    {
        _format.Required = true;
        Add(_source);
        Add(_destination);
        foreach (Option option in (ReadOnlySpan<Option>)
            [_format, _sourceFormat, _backingFormat, _compress, _settings, _directories, _snapshot, _threads, _force])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, Spec(parsed)));
    }

    private static int Run(CliHost host, ConvertSpec spec)
    {
        using CancellationTokenSource stop = new();
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            Converter converter = new(host.Paths, spec);
            ProgressBar.During(host.Screen, Path.GetFileName(spec.Destination), progress => converter.Run(progress, stop.Token));
        }
        catch (OperationCanceledException)
        {
            throw new CliException(ExitCode.Interrupted, spec.Destination, "the conversion was interrupted, nothing was left behind", "start it again");
        }

        return (int)ExitCode.Done;
    }

    private ConvertSpec Spec(ParseResult parsed) => new(
        new ImageSpec(DevicePath.Absolute("source", parsed.GetRequiredValue(_source)), parsed.GetValue(_sourceFormat))
        {
            FormatOption = _sourceFormat.Name,
            BackingFormat = parsed.GetValue(_backingFormat),
            BackingDirectories = Symbols.Paths(parsed, _directories),
            Snapshot = parsed.GetValue(_snapshot),
        },
        DevicePath.Absolute("destination", parsed.GetRequiredValue(_destination)),
        parsed.GetRequiredValue(_format)!,
        parsed.GetValue(_compress),
        Settings(parsed.GetValue(_settings) ?? []),
        parsed.GetValue(_force),
        parsed.GetValue(_threads) is { } threads ? Threads(threads) : Math.Min(DefaultThreads, Environment.ProcessorCount));

    private static int Threads(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= MostThreads
            ? value
            : throw new CliException(ExitCode.Usage, $"threads {text}", "is not a number of threads", $"give 1 to {MostThreads}");

    /// <summary>KEY=VALUE, several of them with commas between, as qemu-img takes them; a comma cannot be escaped.</summary>
    private static Dictionary<string, string> Settings(string[] texts)
    {
        Dictionary<string, string> settings = [];
        foreach (string setting in texts.SelectMany(static text => text.Split(',')))
        {
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !settings.TryAdd(setting[..equals], setting[(equals + 1)..]))
            {
                throw new CliException(ExitCode.Usage, $"-o {setting}", equals <= 0 ? "is not KEY=VALUE" : "is given twice", "see \"cowctl convert --help\"");
            }
        }

        return settings;
    }
}
