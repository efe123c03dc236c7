// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>What a check found.</summary>
internal sealed class Findings
{
    private const int Most = 200;

    /// <summary>What can return wrong data.</summary>
    public Sentences Errors { get; } = new(Most);

    /// <summary>Space that is lost.</summary>
    public Sentences Leaks { get; } = new(Most);

    /// <summary>The report.</summary>
    public CheckReport Report(ulong placed) => new(Errors.ToList(), Leaks.ToList(), placed);
}
