// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Formats.Images.Vhd;

/// <summary>What people may want to know of a VHD.</summary>
internal static class VhdFacts
{
    /// <summary>Name and value of each fact, in the order in which they are shown.</summary>
    /// <param name="footer">The footer.</param>
    /// <param name="blockBytes">Bytes of a block, where there are blocks.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(VhdFooter footer, uint? blockBytes)
    {
        List<KeyValuePair<string, string>> facts =
        [
            new("type", footer.Type switch { VhdType.Fixed => "fixed", VhdType.Dynamic => "dynamic", _ => "differencing" }),
            new("creator", footer.Creator),
            new("uuid", footer.Id.ToString("D")),
            new("size by geometry", footer.GeometrySize.ToString(CultureInfo.InvariantCulture)),
        ];
        if (blockBytes is { } bytes)
        {
            facts.Add(new("block size", bytes.ToString(CultureInfo.InvariantCulture)));
        }
        if (footer.Hidden)
        {
            facts.Add(new("hidden", "yes: only its children are to be used"));
        }
        return facts;
    }
}
