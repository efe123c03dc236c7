// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Bench.Devices;

/// <summary>A figure that tests/vm/costs.sh or tests/vm/parallel.sh measured.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Value">How much.</param>
/// <param name="Unit">Of what.</param>
/// <param name="AtMost">What it may be; null where nothing was promised.</param>
internal sealed record Cost(string Name, double Value, string Unit, double? AtMost)
{
    /// <summary>More than promised.</summary>
    public bool Missed => Value > AtMost;

    /// <summary>Reads the lines "COST name value unit"; others are a guest's small talk.</summary>
    public static IReadOnlyList<Cost> Read(string path) =>
    [
        .. File.ReadLines(path)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(static words => words is ["COST", _, _, _])
            .Select(static words => new Cost(
                words[1], double.Parse(words[2], CultureInfo.InvariantCulture), words[3], CostBar.All.FirstOrDefault(bar => bar.Name == words[1])?.AtMost)),
    ];
}
