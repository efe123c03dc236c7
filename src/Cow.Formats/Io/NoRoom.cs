// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>What an <see cref="IImageFile"/> throws where its file system is full, or a quota used up.</summary>
internal static class NoRoom
{
    /// <summary>ENOSPC and EDQUOT of errno(3): an exception of .NET that is of no kind of its own has them as its number.</summary>
    private const int Full = 28;
    private const int QuotaUsedUp = 122;

    /// <summary>Whether a write failed only for want of room: it can be done once there is some.</summary>
    public static bool Is(IOException e) => e.HResult is Full or QuotaUsedUp;
}
