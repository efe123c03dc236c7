// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>A device in the list of all mapped devices.</summary>
/// <param name="Name">Its name; any bytes but NUL and '/' are possible.</param>
/// <param name="Number">Its device number.</param>
/// <param name="EventNr">Count of its events.</param>
/// <param name="Uuid">Its unique id; null where it has none, or where the kernel is older than 5.13.</param>
public sealed record DmListEntry(string Name, DeviceNumber Number, uint EventNr, string? Uuid);
