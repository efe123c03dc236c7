// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli;

/// <summary>The daemon as a verb sees it.</summary>
internal interface IDaemonClient
{
    /// <summary>Whether a daemon lives. Says nothing about how soon it will answer a question.</summary>
    bool IsRunning { get; }

    /// <summary>One request, one answer. Throws nothing: a daemon that does not answer is a <see cref="ExitCode.NoDaemon"/> failure.</summary>
    Response Send(Request request);
}
