// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

/// <summary>One way to make an image of a format.</summary>
/// <param name="Settings">As qemu-img's -o takes them: "cluster_size=4K,compat=1.1". {image} stands for the image's file name.</param>
/// <param name="DiskBytes">Bytes of the disk; a multiple of 512.</param>
/// <param name="BackingBytes">Bytes of the disk that it is backed by; 0 where there is none.</param>
/// <param name="BackingFormat">Format of that: raw, or the format under test itself.</param>
internal sealed record ImageVariant(string Settings, ulong DiskBytes, ulong BackingBytes = 0, string BackingFormat = "raw")
{
    /// <summary>What qemu-img create is given for the twin; null where it cannot make such an image: then we make the twin too.</summary>
    public string? QemuSettings { get; init; } = Settings;

    /// <summary>Whether qemu-img check must be content with what a crash leaves before anybody repaired it. Not with lazy reference counts.</summary>
    public bool SoundBeforeRepair { get; init; } = true;

    /// <summary>Names of further files that must be there, empty, before the image is created. {image} as above.</summary>
    public IReadOnlyList<string> FurtherFiles { get; init; } = [];

    /// <summary>Bytes of the unit that QEMU makes read as zeros when it is discarded; 0 where it is left to chance what a discarded part reads.</summary>
    public int DiscardBytes { get; init; }

    public bool Backed => BackingBytes > 0;

    public IReadOnlyDictionary<string, string> SettingsFor(string image) =>
        Settings.Replace("{image}", image, StringComparison.Ordinal).Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);

    public override string ToString() => $"[{Settings}] {DiskBytes} bytes{(Backed ? $" over {BackingBytes} bytes of {BackingFormat}" : "")}";
}
