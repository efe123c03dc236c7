// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Controller.Cli.Values;

/// <summary>Plain numbers on the command line.</summary>
internal static class NumberText
{
    /// <summary>The segment budget: lines that a table may have after collapse.</summary>
    public static int Segments(string text)
    {
        // DM_MAX_TARGETS of the kernel.
        const int Most = 1_048_576;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= Most
            ? value
            : throw new CliException(ExitCode.Usage, $"segments {text}", "is not a number of table lines", $"give 1 to {Most}");
    }

    /// <summary>The number of a sector, which may be 0.</summary>
    public static ulong Sector(string text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
            ? value
            : throw new CliException(ExitCode.Usage, $"sector {text}", "is not the number of a sector", "count 512-byte sectors from 0");
}
