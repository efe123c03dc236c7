// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli;

/// <summary>The one way out of a verb that did not do what it was asked: becomes a line on stderr and an exit code.</summary>
/// <param name="failure">What the operator is told.</param>
internal sealed class CliException(Failure failure) : Exception($"{failure.Object}: {failure.Reason}; {failure.Cure}")
{
    public CliException(ExitCode code, string about, string reason, string cure)
        : this(new Failure(code, about, reason, cure))
    {
    }

    public Failure Failure { get; } = failure;
}
