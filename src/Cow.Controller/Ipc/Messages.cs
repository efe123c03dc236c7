// SPDX-License-Identifier: MIT
using System.Text.Json.Serialization;
using Cow.Controller.Daemon;

namespace Cow.Controller.Ipc;

/// <summary>What happens to writers when the CoW device is full.</summary>
internal enum NoSpacePolicy
{
    /// <summary>They wait until <c>cowctl extend</c>.</summary>
    Wait,

    /// <summary>They get ENOSPC.</summary>
    Error,
}

/// <summary>Everything that <c>cowctl create</c> was told. Kept with the device, so that a new daemon can adopt it.</summary>
/// <param name="Name">Ident and name under /dev/mapper.</param>
/// <param name="Base">Absolute path of a block device or file; null where the format needs none.</param>
/// <param name="Cow">Absolute path of a block device or file.</param>
/// <param name="ChunkSectors">Chunk in sectors; null takes the store's own, or the format's default for a new one.</param>
/// <param name="Format">Format name; null probes the store and takes <c>snapshot</c> for an empty one.</param>
/// <param name="SizeSectors">Size of the device; null is the base's.</param>
/// <param name="Layers">Read-only layers between base and CoW device, lowest first; each a path, or for <c>bitmap</c> DATA,BITMAP.</param>
/// <param name="BitmapDevice"><c>bitmap</c> only: where its bitmap lives; null puts it in front of the data.</param>
/// <param name="Segments">Segment budget for collapse; null is the default.</param>
/// <param name="NoSpace">What writers see when the store is full.</param>
/// <param name="Force">Take a CoW device that bears a foreign signature. Of the one command: never kept in the configuration.</param>
/// <param name="ReadOnly">A read-only device.</param>
/// <param name="AtBoot">Create it again at boot (configuration under /etc).</param>
internal sealed record CreateSpec(
    string Name,
    string? Base,
    string Cow,
    ulong? ChunkSectors,
    string? Format,
    ulong? SizeSectors,
    IReadOnlyList<string> Layers,
    string? BitmapDevice,
    int? Segments,
    NoSpacePolicy NoSpace,
    bool Force,
    bool ReadOnly,
    bool AtBoot)
{
    /// <summary>For a disk image (<see cref="Cow"/>): how it is opened. Null for a store.</summary>
    public DeviceImageSpec? Image { get; init; }

    /// <summary>The kernel gets no places in advance: it asks for each first write.</summary>
    public bool NoGrants { get; init; }

    /// <summary>The base as the daemon found it, once it has; in the configuration, it is checked at boot.</summary>
    public BaseFingerprint? Fingerprint { get; init; }

    /// <summary>It comes from the configuration, and nobody sees what happens: only a store that is there is taken, and nothing is made.</summary>
    [JsonIgnore]
    public bool Unattended { get; init; }
}

/// <summary>How the disk image of a device is opened, or made.</summary>
/// <param name="BackingDirectories">Absolute paths: where files that the image names may lie besides its own directory.</param>
/// <param name="BackingFormat">Format of backing images that their child does not tell; null goes by their magic.</param>
/// <param name="Snapshot">Id or name of a snapshot in the image to be read; null for its present state.</param>
/// <param name="ScratchBytes">Bytes of compressed chunks of a read-only image that may be unpacked to the scratch file.</param>
internal sealed record DeviceImageSpec(IReadOnlyList<string> BackingDirectories, string? BackingFormat, string? Snapshot, long ScratchBytes)
{
    /// <summary>For an image that <c>create</c> makes: settings of its format, each NAME=VALUE.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}

/// <summary>One line to the daemon. <paramref name="Verb"/> says which of the other fields count.</summary>
/// <param name="Verb">One of <see cref="Verbs"/>.</param>
/// <param name="Name">The device, where the verb speaks of one.</param>
/// <param name="Create">For <see cref="Verbs.Create"/>.</param>
/// <param name="Sector">For <see cref="Verbs.Explain"/>: sector of the device.</param>
/// <param name="Bytes">For <see cref="Verbs.Extend"/>: new size of a CoW file; null takes what the device has now.</param>
/// <param name="Force">For <see cref="Verbs.Remove"/>: also when uncommitted changes would be lost.</param>
internal sealed record Request(
    string Verb,
    string? Name = null,
    CreateSpec? Create = null,
    ulong? Sector = null,
    long? Bytes = null,
    bool Force = false);

/// <summary>The verbs of <see cref="Request"/>.</summary>
internal static class Verbs
{
    public const string Ping = "ping";
    public const string Create = "create";
    public const string Remove = "remove";
    public const string List = "list";
    public const string Status = "status";
    public const string Explain = "explain";
    public const string Compact = "compact";
    public const string Extend = "extend";
    public const string Stop = "stop";
}

/// <summary>The daemon's one line back.</summary>
/// <param name="Error">Null when it was done.</param>
/// <param name="Daemon">For ping.</param>
/// <param name="Devices">For list (all) and for create and status (one).</param>
/// <param name="Explanation">For explain.</param>
/// <param name="Compaction">For compact.</param>
internal sealed record Response(
    Failure? Error = null,
    DaemonReport? Daemon = null,
    IReadOnlyList<DeviceReport>? Devices = null,
    ExplainReport? Explanation = null,
    CompactReport? Compaction = null);

/// <summary>Why something was not done.</summary>
/// <param name="Code">Becomes the exit code of cowctl.</param>
/// <param name="Object">The device, file or name it is about.</param>
/// <param name="Reason">What is wrong.</param>
/// <param name="Cure">What to do about it.</param>
internal sealed record Failure(ExitCode Code, string Object, string Reason, string Cure);

/// <summary>The daemon about itself.</summary>
internal sealed record DaemonReport(int Pid, string Version, double UptimeSeconds, int Devices, long ResidentBytes, bool Pinned);

/// <summary>One device.</summary>
/// <param name="State">creating, active, failed (nobody serves it), waiting (configured, and not created yet) or removing.</param>
/// <param name="Mode">rw, ro or fail.</param>
/// <param name="Problem">Why it is not rw, in a sentence; null when all is well.</param>
internal sealed record DeviceReport(
    string Name,
    string State,
    string Format,
    string? Base,
    string Cow,
    ulong Sectors,
    ulong ChunkSectors,
    ulong TotalChunks,
    ulong PlacedChunks,
    ulong UncommittedChunks,
    ulong CollapsedChunks,
    long UsedBytes,
    long CapacityBytes,
    ulong FaultsServed,
    ulong FaultsOutstanding,
    ulong OldestFaultMilliseconds,
    ulong Copies,
    ulong CopiesSkipped,
    ulong Errors,
    ulong KernelMapBytes,
    int TableLines,
    int SegmentBudget,
    string NoSpace,
    bool WaitingForSpace,
    string Mode,
    string? Problem,
    double AttachMilliseconds,
    double LongestReloadMilliseconds);

/// <summary>What one sector of a device is.</summary>
/// <param name="State">base, zero, layer, shared, opaque, placed, committed or linear.</param>
/// <param name="Device">Path of the device that a read goes to; null for zeros.</param>
/// <param name="DeviceSector">Sector on it.</param>
/// <param name="Sentence">The same in words.</param>
internal sealed record ExplainReport(
    string Name, ulong Sector, ulong Chunk, string State, string? Device, ulong? DeviceSector, string Sentence);

/// <summary>What a collapse did.</summary>
internal sealed record CompactReport(int LinesBefore, int LinesAfter, ulong CollapsedChunks, double PauseMilliseconds);
