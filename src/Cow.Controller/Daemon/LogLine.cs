// SPDX-License-Identifier: MIT
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Cow.Controller.Daemon;

/// <summary>The daemon's log: one line an entry, to stderr, and never waiting for it: whoever reads it may wait for one of our devices.</summary>
/// <remarks>Put together by hand rather than by a container: that takes four hundred methods to compile, and every start waits for them.</remarks>
internal sealed class LogLine() : ConsoleFormatter(nameof(LogLine))
{
#pragma warning disable CA2000 // The factory owns its provider: one that is added is disposed with it, and only then has written its last line.
    public static ILoggerFactory Open()
    {
        var factory = new LoggerFactory();
        factory.AddProvider(new ConsoleLoggerProvider(new Settings(), [new LogLine()]));
        return factory;
    }
#pragma warning restore CA2000

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        textWriter.Write(DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fff ", CultureInfo.InvariantCulture));
        textWriter.Write(Word(logEntry.LogLevel));
        textWriter.Write(logEntry.Formatter(logEntry.State, logEntry.Exception).ReplaceLineEndings(" "));
        if (logEntry.Exception is { } e)
        {
            textWriter.Write(' ');
            textWriter.Write(e.ToString().ReplaceLineEndings(" "));
        }

        textWriter.WriteLine();
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => "error: ",
        LogLevel.Warning => "warning: ",
        _ => "",
    };

    private sealed class Settings : IOptionsMonitor<ConsoleLoggerOptions>
    {
        public ConsoleLoggerOptions CurrentValue { get; } = new()
        {
            FormatterName = nameof(LogLine),
            LogToStandardErrorThreshold = LogLevel.Trace,
            MaxQueueLength = 1024,
            QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite,
        };

        public ConsoleLoggerOptions Get(string? name) => CurrentValue;

        public IDisposable? OnChange(Action<ConsoleLoggerOptions, string?> listener) => null;
    }
}
