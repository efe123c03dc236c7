// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>How a cell is meant, for terminals that have colours.</summary>
internal enum Tone
{
    Normal,

    /// <summary>A label.</summary>
    Quiet,

    Good,

    /// <summary>Somebody should look at it.</summary>
    Warning,

    Bad,
}
