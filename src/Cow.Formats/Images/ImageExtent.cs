// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>What an image holds for a part of its disk.</summary>
public enum ImageExtentKind
{
    /// <summary>Nothing: what the image is backed by shows through, zeros where nothing does.</summary>
    Below,

    /// <summary>Zeros, whatever lies below.</summary>
    Zero,

    /// <summary>Bytes of a file of the image that are written in place.</summary>
    Data,

    /// <summary>Bytes of a file of the image that are never written in place, since somebody else refers to them too.</summary>
    Shared,

    /// <summary>No file holds it as it is: <see cref="IDiskImage.ReadPacked"/> gives it.</summary>
    Packed,
}

/// <summary>A part of a disk that an image holds in one piece.</summary>
/// <param name="Length">Bytes of the disk that it covers; a multiple of 512.</param>
/// <param name="Kind">What is there.</param>
/// <param name="File">Data, Shared: index into <see cref="ImageInfo.Files"/>; else 0.</param>
/// <param name="Offset">Data, Shared: byte offset in that file, a multiple of 512; else 0. Bytes behind the end of the file read as zeros.</param>
public readonly record struct ImageExtent(ulong Length, ImageExtentKind Kind, int File = 0, long Offset = 0);
