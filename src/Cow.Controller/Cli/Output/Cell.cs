// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>One cell of a <see cref="Sheet"/>.</summary>
internal readonly record struct Cell(string Text, Tone Tone = Tone.Normal);
