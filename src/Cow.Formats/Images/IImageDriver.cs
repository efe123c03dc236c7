// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>Makes and opens disk images of one format.</summary>
/// <remarks>Errors: <see cref="ImageFormatException"/> for what is wrong in the image (also when an option asks for what it cannot do),
/// <see cref="IOException"/> from its files, with the number of ENOSPC or EFBIG also where they have no room, <see cref="ArgumentException"/> with one
/// sentence for settings that the format does not take.</remarks>
public interface IImageDriver
{
    /// <summary>Name, as on the command line.</summary>
    string Name { get; }

    /// <summary>Name by which QEMU knows the format, and by which an image names it as that of its backing image.</summary>
    string QemuName => Name;

    /// <summary>Whether the file bears the format's magic; says nothing about the rest. False for a file too short to tell.</summary>
    bool Probe(IImageFile file);

    /// <summary>Opens an image. Writable: repairs first what a crash may leave, and says in the metadata that it is written.</summary>
    IDiskImage Open(ImageSource source, ImageOpenOptions options);

    /// <summary>Makes an empty image in an empty file; durable on return, and open writable.</summary>
    IDiskImage Create(ImageSource source, ImageCreateOptions options);
}

/// <summary>An image's main file, and the way to the other files that it names.</summary>
/// <param name="File">The file that bears the magic; metadata read through it is cached.</param>
/// <param name="Path">Its full path.</param>
/// <param name="Opener">Opens what it names: extents, a data file. Backing images are the chain's business.</param>
public sealed record ImageSource(CachedFile File, string Path, IImageOpener Opener)
{
    /// <summary>The name that an image over it gets for it, where that is not its path: what /dev/dm-3 is called is another volume tomorrow.</summary>
    public string? Name { get; init; }
}

/// <summary>How an image is opened.</summary>
/// <param name="Writable">It will be written.</param>
/// <param name="Snapshot">Id or name of a snapshot inside the image that is to be read instead of its present state, or null. Not with Writable.</param>
public sealed record ImageOpenOptions(bool Writable, string? Snapshot = null)
{
    /// <summary>It is written only to be repaired, and closed then; no guest writes it. So its children must go on knowing it by its identity, and
    /// where nothing can be cured nothing is written. Only with Writable.</summary>
    public bool ForRepair { get; init; }

    /// <summary>To be called, with what the image is backed by, before the first byte is written: whoever cannot open that must not have changed the image.
    /// Throws what <see cref="IImageDriver.Open"/> is to throw then. Only with Writable.</summary>
    public Action<BackingReference?>? BeforeWriting { get; init; }

    /// <summary>VHD: the size by the CHS geometry, as QEMU takes it for some creators, instead of the footer's current size.</summary>
    public bool SizeByGeometry { get; init; }

    /// <summary>Keeps the compressed chunk that was read last; images of one chain have one of them.</summary>
    internal UnpackedChunk Unpacked { get; init; } = new();
}

/// <summary>What a new image is to be.</summary>
/// <param name="VirtualBytes">Bytes of the disk; a multiple of 512.</param>
/// <param name="Backing">What it is backed by, or null; the identity comes from the opened backing image.</param>
/// <param name="Settings">Further settings, named and written as qemu-img's -o knows them (cluster_size=64K, compat=1.1, subformat=...). A driver
/// refuses names that it does not know.</param>
public sealed record ImageCreateOptions(ulong VirtualBytes, BackingReference? Backing, IReadOnlyDictionary<string, string> Settings);

/// <summary>Opens files that images name. An implementation decides which it allows.</summary>
public interface IImageOpener
{
    /// <summary>Opens a file named by an image.</summary>
    /// <param name="name">The name as stored: untrusted.</param>
    /// <param name="imagePath">Full path of the image that names it.</param>
    /// <param name="nameOffset">Byte offset of the name in that image, for the message.</param>
    /// <param name="writable">Whether it is to be written.</param>
    /// <exception cref="ImageFormatException">The name is not allowed (a pseudo-protocol, outside of the allowed directories, not a regular file or
    /// block device), or there is no such file.</exception>
    OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable);

    /// <summary>Makes an empty file in the directory of an image that is being created, and opens it writable.</summary>
    /// <param name="name">Its name, without a directory.</param>
    /// <param name="imagePath">Full path of the image.</param>
    /// <exception cref="IOException">There is such a file already, or it cannot be made.</exception>
    OpenedFile CreateNamed(string name, string imagePath)
    {
        File.Open(Path.Combine(Path.GetDirectoryName(imagePath) ?? "", name), FileMode.CreateNew).Dispose();
        return OpenNamed(name, imagePath, 0, writable: true);
    }
}

/// <summary>A file that was opened by name. The opener owns it and closes it.</summary>
/// <param name="File">The file; metadata read through it is cached.</param>
/// <param name="Path">Full path, links resolved: equal for two names of one file.</param>
public readonly record struct OpenedFile(CachedFile File, string Path);
