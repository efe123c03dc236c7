// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vmdk;

/// <summary>What a new VMDK image is to be, from the settings that qemu-img knows.</summary>
internal sealed record VmdkSettings
{
    private static readonly string[] _subformats = ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "vmfs", "vmfsSparse"];
    private const string StreamSubformat = "streamOptimized";

    private static readonly string[] _adapters = ["ide", "buslogic", "lsilogic", "legacyESX"];

    /// <summary>The createType.</summary>
    public string Subformat { get; private init; } = "monolithicSparse";

    /// <summary>Whether grains of zeros can be told.</summary>
    public bool Zeroed { get; private init; }

    /// <summary>The disk's adapter, which only virtual machines care for.</summary>
    public string Adapter { get; private init; } = "ide";

    /// <summary>The version of virtual hardware, which only virtual machines care for.</summary>
    public uint HardwareVersion { get; private init; } = 4;

    /// <summary>Whether it is an extent of ESX.</summary>
    public bool IsCowd => Subformat == "vmfsSparse";

    /// <summary>Whether it is a flat disk of ESX.</summary>
    public bool IsVmfs => Subformat == "vmfs";

    /// <summary>Whether sectors are as they are, without grains.</summary>
    public bool IsFlat => Subformat is "monolithicFlat" or "twoGbMaxExtentFlat" || IsVmfs;

    /// <summary>Whether there is an extent for every 2 GiB.</summary>
    public bool IsSplit => Subformat is "twoGbMaxExtentSparse" or "twoGbMaxExtentFlat";

    /// <summary>Reads settings.</summary>
    /// <exception cref="ArgumentException">One is unknown, or its value is.</exception>
    public static VmdkSettings Read(IReadOnlyDictionary<string, string> settings)
    {
        VmdkSettings read = new();
        foreach ((string name, string value) in settings)
        {
            read = name switch
            {
                "subformat" => read with { Subformat = OneOf(name, value, _subformats) },
                "zeroed_grain" => read with { Zeroed = Settings.Switch(name, value) },
                "adapter_type" => read with { Adapter = OneOf(name, value, _adapters) },
                "hwversion" => read with { HardwareVersion = Number(name, value) },
                _ => throw new ArgumentException($"vmdk has no setting '{name}'", nameof(settings)),
            };
        }
        return read;
    }

    /// <summary>Reads settings of a stream, which has no other subformat and cannot tell grains of zeros.</summary>
    /// <exception cref="ArgumentException">One is unknown, or its value is.</exception>
    public static VmdkSettings ReadStream(IReadOnlyDictionary<string, string> settings)
    {
        Dictionary<string, string> others = new(settings);
        string subformat = others.Remove("subformat", out string? given) ? given : StreamSubformat;
        VmdkSettings read = Read(others) with { Subformat = OneOf("subformat", subformat, [StreamSubformat]) };
        return read.Zeroed ? throw new ArgumentException($"{StreamSubformat} has no grains of zeros", nameof(settings)) : read;
    }

    private static string OneOf(string name, string value, string[] known) =>
        known.Contains(value) ? value : throw new ArgumentException($"{name}={value}; known are {string.Join(", ", known)}");

    private static uint Number(string name, string value) =>
        uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : throw new ArgumentException($"{name}={value} is no number");
}
