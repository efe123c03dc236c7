// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>One column of a <see cref="Sheet"/>; numbers stand to the right.</summary>
internal readonly record struct Column(string Header, bool Right = false);
