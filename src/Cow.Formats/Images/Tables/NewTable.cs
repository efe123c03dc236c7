// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>A second-level table that has a place, but that no directory names yet.</summary>
/// <param name="At">Byte offset of its place.</param>
/// <param name="MirrorAt">Byte offset of the place of its copy; 0 without one.</param>
internal sealed record NewTable(long At, long MirrorAt)
{
    /// <summary>What is to be written; null while nothing in it is committed.</summary>
    public byte[]? Bytes { get; set; }
}
