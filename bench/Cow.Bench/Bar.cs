// SPDX-License-Identifier: MIT
namespace Cow.Bench;

/// <summary>What was measured, and what it may be at most.</summary>
/// <param name="Name">What.</param>
/// <param name="Measured">How much, in <paramref name="Unit"/>.</param>
/// <param name="Limit">The bar.</param>
/// <param name="Unit">"ns", "B", "ms", "MiB", or "x" for our time divided by theirs.</param>
/// <param name="Note">The figures that it was made of.</param>
internal sealed record Bar(string Name, double Measured, double Limit, string Unit, string Note = "")
{
    /// <summary>Whether it is met.</summary>
    public bool Met => Measured <= Limit;
}
