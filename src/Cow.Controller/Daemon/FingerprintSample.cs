// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>A block of a base.</summary>
/// <param name="Offset">Its first byte.</param>
/// <param name="Crc">CRC-32 of it.</param>
internal readonly record struct FingerprintSample(long Offset, uint Crc);
