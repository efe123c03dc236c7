// SPDX-License-Identifier: MIT
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>What the daemon logs about itself and its devices.</summary>
internal static partial class DaemonLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "not undone: {What}: {Why}")]
    public static partial void NotUndone(ILogger log, string what, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Name}: {What}")]
    public static partial void Device(ILogger log, string name, string what);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Name}: {Before} -> {After} table lines, pause {Milliseconds} ms")]
    public static partial void Collapsed(ILogger log, string name, int before, int after, double milliseconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Name}: process {Owner} serves it and is ended")]
    public static partial void Fenced(ILogger log, string name, uint owner);

    [LoggerMessage(Level = LogLevel.Information, Message = "process {Process} serves, pinned: {Pinned}")]
    public static partial void Serving(ILogger log, int process, bool pinned);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Name}: {What}")]
    public static partial void Trouble(ILogger log, string name, string what);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{What}")]
    public static partial void Warning(ILogger log, string what);

    [LoggerMessage(Level = LogLevel.Error, Message = "a defect: {What}")]
    public static partial void Defect(ILogger log, Exception e, string what);
}
