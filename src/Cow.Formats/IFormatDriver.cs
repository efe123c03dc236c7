// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>Makes and opens stores of one format.</summary>
/// <remarks>Errors of Create and Open: <see cref="ImageFormatException"/> for what is wrong in the files (too small counts),
/// <see cref="IOException"/> from them, <see cref="ArgumentException"/> for options or files that the format does not take.</remarks>
public interface IFormatDriver
{
    /// <summary>Name, as on the command line.</summary>
    string Name { get; }

    /// <summary>Sectors of 512 bytes in a chunk where nobody said otherwise.</summary>
    uint DefaultChunkSectors { get; }

    /// <summary>Fewest sectors of 512 bytes that a chunk may have.</summary>
    uint MinChunkSectors { get; }

    /// <summary>Most sectors of 512 bytes that a chunk may have.</summary>
    uint MaxChunkSectors { get; }

    /// <summary>Whether the file bears the format's magic; says nothing about the rest. False for a file too short to tell.</summary>
    /// <param name="store">The file with the metadata.</param>
    bool Probe(IImageFile store);

    /// <summary>Makes an empty store, whatever was there; durable on return. Until it is, the file bears no magic. The caller has
    /// asked <see cref="SignatureProbe"/> and whoever else must agree.</summary>
    /// <param name="files">Where.</param>
    /// <param name="options">What.</param>
    ICowFormat Create(FormatFiles files, CreateOptions options);

    /// <summary>Opens a store; repairs what a crash may leave, unless <see cref="OpenOptions.ReadOnly"/>.</summary>
    /// <param name="files">Where.</param>
    /// <param name="options">What is expected.</param>
    ICowFormat Open(FormatFiles files, OpenOptions options);

    /// <summary>Room that a rewrite of the whole disk takes.</summary>
    /// <param name="options">The store that would be made.</param>
    SpaceEstimate Estimate(CreateOptions options);
}
