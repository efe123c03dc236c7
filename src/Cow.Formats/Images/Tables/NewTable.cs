// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>A second-level table that has a place, but that no directory names yet.</summary>
/// <param name="At">Byte offset of its place.</param>
/// <param name="MirrorAt">Byte offset of the place of its copy; 0 without one.</param>
internal sealed record NewTable(long At, long MirrorAt)
{
    /// <summary>What is to be written; null while nothing in it is committed.</summary>
    public byte[]? Bytes { get; set; }

    /// <summary>The bytes of both, and what lies between them.</summary>
    /// <param name="length">Bytes of one.</param>
    public ByteRange Range(long length)
    {
        long first = MirrorAt == 0 ? At : Math.Min(At, MirrorAt);
        return new ByteRange(first, Math.Max(At, MirrorAt) + length - first);
    }
}
