// SPDX-License-Identifier: MIT
namespace Cow.Replay.LogWrites;

/// <summary>What an entry of a dm-log-writes log is (drivers/md/dm-log-writes.c, LOG_*_FLAG). No flag: a plain write.</summary>
[Flags]
internal enum LogEntryKinds : ulong
{
    /// <summary>A plain write.</summary>
    None = 0,

    /// <summary>Everything before it is on the medium.</summary>
    Flush = 1,

    /// <summary>Its own data is on the medium.</summary>
    Fua = 2,

    /// <summary>Its sectors were discarded; there is no data in the log.</summary>
    Discard = 4,

    /// <summary>A name that userspace put there; the data is the name.</summary>
    Mark = 8,

    /// <summary>A write of metadata, as the file system said.</summary>
    Metadata = 16,
}
