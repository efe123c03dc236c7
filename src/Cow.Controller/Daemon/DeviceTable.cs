// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Table lines of one device, as the kernel takes and prints them. Devices are named by number: no path of ours need exist for the kernel.</summary>
internal sealed class DeviceTable
{
    // Ident, base, CoW device and chunk of a cow line; then what else it is over.
    private readonly string _cow;
    private readonly string[] _features;
    // The format's writable devices: what linear lines lead to.
    private readonly string[] _places;
    // Words that somebody added by hand to what a line does.
    private string[] _conduct = [];

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
        _features =
        [
            .. state.LayerDevices.SelectMany(layer => (string[])["layer", numberOf(layer)]),
            .. _places.Skip(1).SelectMany(data => (string[])["data", data]),
        ];
        _cow = $"{state.Spec.Name} {baseNumber} {_places[0]} {state.ChunkSectors}";
    }

    private string CowParameters
    {
        get
        {
            string[] words = [.. _features, .. _conduct];
            return words.Length == 0 ? _cow : $"{_cow} {words.Length} {string.Join(' ', words)}";
        }
    }

    /// <summary>What somebody added by hand to the conduct of our lines is in those that come after them, too.</summary>
    /// <param name="live">A table that the kernel printed. Where it has no line to add to, nothing changes.</param>
    public void Follow(IReadOnlyList<TargetLine> live)
    {
        if (live.FirstOrDefault(IsOurCow) is { Type: not null } line)
        {
            _conduct = [.. WordsOf(line.Parameters).Skip(5).SkipWhile(IsOfDevices)];
        }
    }

    public List<TargetLine> ToKernel(IEnumerable<PlannedLine> lines) => [.. lines.Select(line => new TargetLine(
        new Sectors(line.Start),
        new Sectors(line.Length),
        line.Linear ? "linear" : "cow",
        line.Linear ? $"{_places[line.Device]} {line.Sector}" : CowParameters))];

    /// <summary>A table that the kernel printed; null when a line of it is not ours.</summary>
    public List<PlannedLine>? FromKernel(IReadOnlyList<TargetLine> lines)
    {
        var planned = new List<PlannedLine>(lines.Count);
        foreach (TargetLine line in lines)
        {
            ulong sector = 0;
            string[] words = WordsOf(line.Parameters);
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

    private bool IsOurCow(TargetLine line) => line.Type == "cow" && DevicesOf(line.Parameters) == DevicesOf(CowParameters);

    /// <summary>Ident, devices and chunk of a line: without what somebody may have added of its conduct, and the count of words that this changes.</summary>
    private static string DevicesOf(string parameters)
    {
        string[] words = WordsOf(parameters);
        return string.Join(' ', [.. words.Take(4), .. words.Skip(5).TakeWhile(IsOfDevices)]);
    }

    private static string[] WordsOf(string parameters) => parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The kernel prints devices first.</summary>
    private static bool IsOfDevices(string feature) => feature != "no_controller";
}
