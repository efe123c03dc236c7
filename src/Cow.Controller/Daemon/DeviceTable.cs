// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Table lines of one device, as the kernel takes and prints them. Devices are named by number: no path of ours need exist for the kernel.</summary>
internal sealed class DeviceTable
{
    private readonly string _cowParameters;
    // The format's writable devices: what linear lines lead to.
    private readonly string[] _places;

    /// <summary>The table of a device in a state.</summary>
    public DeviceTable(DeviceState state)
        : this(state, path => BlockDevice.NumberOf(path).ToString())
    {
    }

    /// <summary>The same, for devices that need not exist.</summary>
    internal DeviceTable(DeviceState state, Func<string, string> numberOf)
    {
        string baseNumber = numberOf(state.BaseDevice!);
        _places = [numberOf(state.CowDevice), .. state.DataDevices.Select(numberOf)];
        string[] features =
        [
            .. state.LayerDevices.Select(layer => $" layer {numberOf(layer)}"),
            .. _places.Skip(1).Select(data => $" data {data}"),
        ];
        string count = features.Length == 0 ? "" : " " + (features.Length * 2).ToString(CultureInfo.InvariantCulture);
        _cowParameters = $"{state.Spec.Name} {baseNumber} {_places[0]} {state.ChunkSectors}{count}{string.Concat(features)}";
    }

    public List<TargetLine> ToKernel(IEnumerable<PlannedLine> lines) => [.. lines.Select(line => new TargetLine(
        new Sectors(line.Start),
        new Sectors(line.Length),
        line.Linear ? "linear" : "cow",
        line.Linear ? $"{_places[line.Device]} {line.Sector}" : _cowParameters))];

    /// <summary>A table that the kernel printed; null when a line of it is not ours.</summary>
    public List<PlannedLine>? FromKernel(IReadOnlyList<TargetLine> lines)
    {
        var planned = new List<PlannedLine>(lines.Count);
        foreach (TargetLine line in lines)
        {
            ulong sector = 0;
            string[] words = line.Parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int device = line.Type == "linear" && words.Length == 2 ? Array.IndexOf(_places, words[0]) : -1;
            bool linear = device >= 0 && ulong.TryParse(words[1], CultureInfo.InvariantCulture, out sector);
            if (!linear && !IsOurCow(line))
            {
                return null;
            }

            planned.Add(new PlannedLine(line.Start.Value, line.Length.Value, linear, linear ? device : 0, sector));
        }

        return planned.Count == 0 ? null : planned;
    }

    /// <summary>Whether a table has a line of the kind that we serve, over other devices than ours.</summary>
    public bool IsOthers(IReadOnlyList<TargetLine> lines) => lines.Any(line => line.Type == "cow" && !IsOurCow(line));

    private bool IsOurCow(TargetLine line) => line.Type == "cow" && DevicesOf(line.Parameters) == DevicesOf(_cowParameters);

    /// <summary>Ident, devices and chunk of a line: without what somebody may have added of its conduct, and the count of words that this changes.</summary>
    private static string DevicesOf(string parameters)
    {
        string[] words = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', [.. words.Take(4), .. words.Skip(5).TakeWhile(word => word != "no_controller")]);
    }
}
