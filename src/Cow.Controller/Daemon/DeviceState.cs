// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Daemon;

/// <summary>What a daemon keeps in <c>/run/dm-cow/NAME.json</c> about one device.</summary>
/// <param name="Phase">How far it is.</param>
/// <param name="Spec">What it was created from.</param>
/// <param name="Format">Format of the store, once known: it is not probed again, since a guest may write what looks like another one.</param>
/// <param name="Sectors">Size of the device.</param>
/// <param name="ChunkSectors">Chunk.</param>
/// <param name="Loops">Loop devices that we attached, to be detached at the end.</param>
/// <param name="BaseDevice">Block device of the base: the spec's own or a loop.</param>
/// <param name="CowDevice">Block device of the store.</param>
/// <param name="LayerDevices">Block devices of the layers.</param>
/// <param name="LayerBitmaps">Block devices of their bitmaps; null where a layer has its own in front.</param>
/// <param name="BitmapDevice">Block device of a separate bitmap.</param>
/// <param name="CreatedFiles">Files that did not exist before us: deleted when the creation is undone.</param>
internal sealed record DeviceState(
    DevicePhase Phase,
    CreateSpec Spec,
    string? Format,
    ulong Sectors,
    ulong ChunkSectors,
    IReadOnlyList<string> Loops,
    string? BaseDevice,
    string CowDevice,
    IReadOnlyList<string> LayerDevices,
    IReadOnlyList<string?> LayerBitmaps,
    string? BitmapDevice,
    IReadOnlyList<string> CreatedFiles)
{
    /// <summary>Block devices of an image's further data files, in their order.</summary>
    public IReadOnlyList<string> DataDevices { get; init; } = [];

    /// <summary>Where the compressed chunks of a read-only image are unpacked to; among <see cref="CreatedFiles"/>, and the last of the layers.</summary>
    public string? ScratchFile { get; init; }

    /// <summary>What its paths led to: devices, and files with the loop devices on them. Empty in a state that an older daemon wrote.</summary>
    public IReadOnlyList<PartIdentity> Parts { get; init => field = value ?? []; } = [];

    /// <summary>Those of <see cref="CreatedFiles"/> that exist, at the last word of the process that made them.</summary>
    public IReadOnlyList<CreatedFile> CreatedAs { get; init => field = value ?? []; } = [];

    /// <summary>The state before the first step.</summary>
    public static DeviceState Of(CreateSpec spec) =>
        new(DevicePhase.Trying, spec, null, 0, 0, [], null, "", [], [], null, []);
}
