// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What the device-mapper says of a device; true at the moment of the call.</summary>
/// <param name="Name">Its name; others than we may have given it, so any bytes but NUL and '/' are possible.</param>
/// <param name="Uuid">Its unique id, null where it has none.</param>
/// <param name="Number">Its device number.</param>
/// <param name="OpenCount">How often it is open.</param>
/// <param name="EventNr">Count of its events.</param>
/// <param name="TargetCount">Lines of the live table, or of the inactive one where that was asked for.</param>
/// <param name="IsSuspended">I/O is held back.</param>
/// <param name="IsReadOnly">Writes are refused.</param>
/// <param name="HasLiveTable">A table serves.</param>
/// <param name="HasInactiveTable">A table waits for resume.</param>
/// <param name="IsDeferredRemove">It goes when the last user closes it.</param>
public sealed record DmDeviceInfo(
    string Name,
    string? Uuid,
    DeviceNumber Number,
    int OpenCount,
    uint EventNr,
    uint TargetCount,
    bool IsSuspended,
    bool IsReadOnly,
    bool HasLiveTable,
    bool HasInactiveTable,
    bool IsDeferredRemove);
