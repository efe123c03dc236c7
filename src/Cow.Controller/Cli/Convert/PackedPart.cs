// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Convert;

/// <summary>A compressed part of a slab.</summary>
/// <param name="Start">Byte offset of its data in the slab, and of its compressed form in the slab's room.</param>
/// <param name="Length">Bytes of the compressed form.</param>
internal readonly record struct PackedPart(int Start, int Length);
