// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>What an <see cref="IImageFile"/> throws where its file system is full.</summary>
internal static class NoRoom
{
    /// <summary>ENOSPC of errno(3): an exception of .NET that is of no kind of its own has it as its number.</summary>
    private const int Number = 28;

    /// <summary>Whether a write failed only because the file system is full: it can be done once there is room.</summary>
    public static bool Is(IOException e) => e.HResult == Number;
}
