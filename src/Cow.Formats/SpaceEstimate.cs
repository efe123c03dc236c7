// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>Room that a store needs to take a rewrite of every chunk.</summary>
/// <param name="MetadataBytes">Bytes of metadata.</param>
/// <param name="TotalBytes">Bytes of the CoW device, metadata and data, where both are on it.</param>
public readonly record struct SpaceEstimate(ulong MetadataBytes, ulong TotalBytes);
