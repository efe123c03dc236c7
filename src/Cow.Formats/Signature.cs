// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>Bytes at a fixed place that tell whose a device is.</summary>
/// <param name="Owner">What bears them.</param>
/// <param name="Offset">Byte offset; negative counts from the end.</param>
/// <param name="Magic">The bytes.</param>
internal sealed record Signature(string Owner, long Offset, byte[] Magic);
