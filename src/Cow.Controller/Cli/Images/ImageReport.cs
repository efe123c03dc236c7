// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Images;

/// <summary>The JSON of <c>info</c>.</summary>
/// <param name="Image">Its path.</param>
/// <param name="Format">Its format.</param>
/// <param name="VirtualBytes">Bytes of its disk; null for a store, which is as large as its base.</param>
/// <param name="FileBytes">Length of the file or device.</param>
/// <param name="DiskBytes">Bytes that the file occupies; 0 for a device.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes that are placed at once; null where only the base would tell.</param>
/// <param name="Backing">What it says of its backing image, or null.</param>
/// <param name="Snapshots">The snapshots inside it, oldest first; as many as anybody looks at.</param>
/// <param name="MoreSnapshots">How many more there are.</param>
/// <param name="Facts">Further facts that the format has: names and values for people.</param>
/// <param name="ReadOnlyReason">Why it can only be read, or null.</param>
/// <param name="Chain">What it is backed by, the nearest first; null where nobody asked.</param>
internal sealed record ImageReport(
    string Image,
    string Format,
    ulong? VirtualBytes,
    long FileBytes,
    long DiskBytes,
    uint? ChunkSectors,
    BackingReport? Backing,
    IReadOnlyList<SnapshotReport> Snapshots,
    int MoreSnapshots,
    IReadOnlyDictionary<string, string> Facts,
    string? ReadOnlyReason,
    IReadOnlyList<ImageReport>? Chain);

/// <summary>What an image says of its backing image: nobody has looked whether it is true.</summary>
/// <param name="Name">As it is stored.</param>
/// <param name="Format">Its format, or null where the image does not say.</param>
internal sealed record BackingReport(string Name, string? Format);

/// <summary>A snapshot inside an image.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Its name.</param>
/// <param name="VirtualBytes">Bytes of its disk.</param>
internal sealed record SnapshotReport(string Id, string Name, ulong VirtualBytes);
