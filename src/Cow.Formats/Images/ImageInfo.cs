// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>What an image is. Constant while it is open.</summary>
/// <param name="Format">Name of the format, as on the command line.</param>
/// <param name="VirtualBytes">Bytes of the disk, rounded up to a multiple of 512.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in the unit that is placed at once (cluster, subcluster, grain, part of a block); a power of two.
/// A place of a chunk is one piece.</param>
/// <param name="Files">The files that hold data; the first is the image itself where that holds any. They belong to the caller of Open.</param>
/// <param name="Paths">Path of each of them.</param>
/// <param name="Backing">What the image is backed by, or null.</param>
/// <param name="Identity">What a child names its parent by (CID, UUID, GUID), as it was before this opening changed it; or null.</param>
/// <param name="Facts">Further facts for people, in the order in which they are shown: name and value.</param>
public sealed record ImageInfo(
    string Format,
    ulong VirtualBytes,
    uint ChunkSectors,
    IReadOnlyList<IImageFile> Files,
    IReadOnlyList<string> Paths,
    BackingReference? Backing,
    string? Identity,
    IReadOnlyList<KeyValuePair<string, string>> Facts)
{
    /// <summary>The image's own file: it need not be one of those that hold data.</summary>
    public IImageFile File { get => field ?? Files[0]; init; }

    /// <summary>Path of the image's own file.</summary>
    public string Path { get => field ?? Paths[0]; init; }

    /// <summary>Sectors of 512 bytes in a cluster, as the setting cluster_size of a new image counts it; a chunk may be a part of one.</summary>
    public uint ClusterSectors { get => field > 0 ? field : ChunkSectors; init; }

    /// <summary>The snapshots inside the image, oldest first. Nobody keeps them: there may be very many, in each image of a chain.</summary>
    public IReadOnlyList<ImageSnapshot> Snapshots => ReadSnapshots();

    /// <summary>Gives the snapshots.</summary>
    internal Func<IReadOnlyList<ImageSnapshot>> ReadSnapshots { private get; init; } = static () => [];

    /// <summary>Why it can only be read, or null: the reason that a caller gives when somebody wants to write.</summary>
    public string? ReadOnlyReason { get; init; }
}

/// <summary>A snapshot inside an image.</summary>
/// <param name="Id">Its id, unique in the image.</param>
/// <param name="Name">Its name.</param>
/// <param name="VirtualBytes">Bytes of its disk.</param>
public readonly record struct ImageSnapshot(string Id, string Name, ulong VirtualBytes);

/// <summary>What an image says of its backing image. All of it is untrusted.</summary>
/// <param name="Names">Names to try, best first, as the image stores them; relative ones are relative to the image's directory.</param>
/// <param name="Format">Name of the backing image's format, ours or QEMU's, or null where the image does not say.</param>
/// <param name="Identity">What <see cref="ImageInfo.Identity"/> of the backing image must be, or null.</param>
/// <param name="Offset">Byte offset of the name in the image, for messages.</param>
public sealed record BackingReference(IReadOnlyList<string> Names, string? Format, string? Identity, long Offset);
