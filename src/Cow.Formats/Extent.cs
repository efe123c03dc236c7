// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What a chunk reads from.</summary>
public enum ExtentKind
{
    /// <summary>The base, at the chunk's own offset.</summary>
    Base,

    /// <summary>Zeros, whatever lies below.</summary>
    Zero,

    /// <summary>A read-only layer between base and overlay; the place says which and where.</summary>
    Layer,

    /// <summary>The overlay itself: the chunk has a place.</summary>
    Overlay,

    /// <summary>A file of the overlay, which must not be written there: somebody else (a snapshot in the image) refers to it too. The chunk
    /// has no place of its own.</summary>
    Shared,

    /// <summary>No device holds it as it is (compressed), or several do in parts. <see cref="ICowFormat.Read"/> gives it. One chunk at a time.</summary>
    Opaque,
}

/// <summary>A run of chunks that read from adjoining sectors of one source.</summary>
/// <param name="Run">The chunks.</param>
/// <param name="Kind">What they read from.</param>
/// <param name="Place">Where the first chunk's data is; each further chunk follows it directly. Default for <see cref="ExtentKind.Base"/>
/// and <see cref="ExtentKind.Zero"/>.</param>
public readonly record struct Extent(ChunkRun Run, ExtentKind Kind, Place Place);
