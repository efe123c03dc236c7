// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What the kernel answers to an attach (struct dm_cow_attach of linux/dm-cow.h).</summary>
public sealed record AttachInfo
{
    /// <summary>Features that are served.</summary>
    public required CowFeatures Features { get; init; }

    /// <summary>State of the ident.</summary>
    public required CowState State { get; init; }

    /// <summary>To be repeated in every reply.</summary>
    public required uint Generation { get; init; }

    /// <summary>Counts the controllers that this ident has had.</summary>
    public required ulong Epoch { get; init; }

    /// <summary>Size of a chunk.</summary>
    public required Sectors ChunkSize { get; init; }

    /// <summary>Size of the mapped device; its last chunk may be cut off.</summary>
    public required Sectors Size { get; init; }

    /// <summary>The last number given to a place, 0 before the first.</summary>
    public required ulong Number { get; init; }

    /// <summary>Numbered runs that are not committed.</summary>
    public required ulong Uncommitted { get; init; }

    /// <summary>Process id of the controller that was attached before, 0 where there was none.</summary>
    public required uint Owner { get; init; }

    /// <summary>Entries of the device list.</summary>
    public required uint Devices { get; init; }
}
