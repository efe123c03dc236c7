// SPDX-License-Identifier: MIT
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>What an engine and its loop log.</summary>
internal static partial class EngineLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "the device is {Mode} from now on: {Problem}")]
    public static partial void SteppedDown(ILogger log, EngineMode mode, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{What}")]
    public static partial void Trouble(ILogger log, string what);

    [LoggerMessage(Level = LogLevel.Error, Message = "the channel is lost: {Why}")]
    public static partial void ChannelLost(ILogger log, string why);
}
