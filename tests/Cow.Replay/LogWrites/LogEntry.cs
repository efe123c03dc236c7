// SPDX-License-Identifier: MIT
namespace Cow.Replay.LogWrites;

/// <summary>One entry of a log.</summary>
/// <param name="Offset">Byte offset on the logged device.</param>
/// <param name="Length">Bytes written or discarded; 0 for a mark and for an empty flush.</param>
/// <param name="Flags">What it is.</param>
/// <param name="DataAt">Byte offset of its data in the log.</param>
/// <param name="Mark">The name, for a mark.</param>
internal sealed record LogEntry(long Offset, long Length, LogEntryKinds Flags, long DataAt, string? Mark)
{
    /// <summary>All before it is on the medium when it is.</summary>
    public bool IsBarrier => (Flags & LogEntryKinds.Flush) != 0;
}
