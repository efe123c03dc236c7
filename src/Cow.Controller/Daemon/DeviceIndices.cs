// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// The kernel's device list against a format's own devices. The list of a <c>cow</c> line is: 0 the base, 1 the CoW device, then its features
/// in order, which we always write as layers first and further data devices after them.
/// </summary>
/// <param name="Layers">Read-only layers in the line.</param>
/// <param name="BaseLayer">The format's layer that stands in the line as its base, or -1 where the base is none of the format's layers.</param>
internal readonly record struct DeviceIndices(int Layers, int BaseLayer = -1)
{
    public const uint Base = CowProtocol.BaseDevice;
    public const uint Cow = CowProtocol.CowDevice;

    /// <summary>Not a device: reads as zeros.</summary>
    public const uint Zero = CowProtocol.ZeroDevice;

    private const uint FirstFeature = 2;

    /// <summary>Kernel index of a format's writable device.</summary>
    public uint OfOverlay(int device) => device == 0 ? Cow : OfFurther(device);

    private uint OfFurther(int device) => FirstFeature + checked((uint)(Layers + device - 1));

    /// <summary>Kernel index of a layer.</summary>
    public uint OfLayer(int layer) => layer == BaseLayer
        ? Base
        : FirstFeature + checked((uint)(BaseLayer >= 0 && layer > BaseLayer ? layer - 1 : layer));

    /// <summary>Kernel index of what an extent reads from.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint OfSource(in Extent extent) => extent.Kind switch
    {
        ExtentKind.Base => Base,
        ExtentKind.Zero => Zero,
        ExtentKind.Layer => OfLayer(extent.Place.Device),
        _ => OfOverlay(extent.Place.Device),
    };

    /// <summary>The format's place behind an index and a sector that the kernel named; false when that device is not writable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryToPlace(uint device, ulong sector, out Place place)
    {
        place = new Place(0, sector);
        return device == Cow || IsFurther(device, sector, out place);
    }

    private bool IsFurther(uint device, ulong sector, out Place place)
    {
        long further = (long)device - FirstFeature - Layers;
        bool writable = further >= 0 && device != Zero;
        place = writable ? new Place(checked((int)further) + 1, sector) : default;
        return writable;
    }

    /// <summary>The run that ANSWERED or PLACED speaks of.</summary>
    /// <exception cref="InvalidDataException">It is not one of this device.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PlacedRun ToRun(in CowEvent e, in ChunkGeometry geometry) =>
        TryToPlace(e.Device, e.Sector.Value, out Place place) && geometry.Contains(e.Chunk, e.Count)
            ? new PlacedRun(new ChunkRun(e.Chunk, e.Count), place)
            : throw Foreign(e);

    private static InvalidDataException Foreign(in CowEvent e) => new($"chunk {e.Chunk} on device {e.Device} is not of this device");

    /// <summary>The places that GRANTED or REVOKED speaks of, or that a GRANT did.</summary>
    /// <exception cref="InvalidDataException">They are not of this device.</exception>
    public PlaceGrant ToGrant(ulong chunk, ulong count, uint device, Sectors sector) =>
        TryToPlace(device, sector.Value, out Place place)
            ? new PlaceGrant(chunk, count, place, default)
            : throw new InvalidDataException($"a grant on device {device} is not of this device");
}
