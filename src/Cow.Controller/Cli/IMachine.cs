// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Tables;

namespace Cow.Controller.Cli;

/// <summary>What the verbs read from the machine themselves, without the daemon.</summary>
internal interface IMachine
{
    /// <summary>Whether this process may administer devices.</summary>
    bool IsRoot { get; }

    /// <summary>The active table of a mapped device; null where there is no such device.</summary>
    IReadOnlyList<TableLine>? Table(string name);

    /// <summary>Path of the device with that major:minor, and the file behind it where it is a loop device.</summary>
    string? NameOf(string deviceNumber);

    /// <summary>All that <c>doctor</c> judges but the daemon's own word.</summary>
    MachineFacts Examine();
}
