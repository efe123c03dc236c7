// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Values;

/// <summary>What writers get when the store is full.</summary>
internal static class PolicyText
{
    public static NoSpacePolicy NoSpace(string? text) => text switch
    {
        null or "wait" => NoSpacePolicy.Wait,
        "error" => NoSpacePolicy.Error,
        _ => throw new CliException(ExitCode.Usage, $"no-space {text}", "is not a policy", "say wait or error"),
    };
}
