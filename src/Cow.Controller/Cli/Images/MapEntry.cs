// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Images;

/// <summary>A part of a disk that one image of a chain answers for, in the terms of <c>qemu-img map</c>.</summary>
/// <param name="Start">Byte offset on the disk.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Depth">Number of the image, 0 for the top one.</param>
/// <param name="Present">That image says something about it; otherwise nobody does, and it reads as zeros.</param>
/// <param name="Zero">Reads as zeros.</param>
/// <param name="Data">Bytes of a file; compressed ones too.</param>
/// <param name="Compressed">They are compressed.</param>
/// <param name="File">Index into the files of that image, -1 for none.</param>
/// <param name="Offset">Byte offset in that file.</param>
internal readonly record struct MapEntry(
    ulong Start, ulong Length, int Depth, bool Present, bool Zero, bool Data, bool Compressed, int File, long Offset)
{
    /// <summary>Whether <paramref name="next"/>, which follows directly, is more of the same.</summary>
    public bool Continues(in MapEntry next) =>
        Depth == next.Depth && Present == next.Present && Zero == next.Zero && Data == next.Data && Compressed == next.Compressed
        && File == next.File && (File < 0 || Offset + (long)Length == next.Offset);
}
