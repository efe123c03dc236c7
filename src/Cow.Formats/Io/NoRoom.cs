// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>What is thrown for want of room: by an <see cref="IImageFile"/> where its file system is full, or a quota used up, and by a format where its
/// file or device has no more places.</summary>
internal static class NoRoom
{
    /// <summary>ENOSPC, EFBIG and EDQUOT of errno(3): an exception of .NET that is of no kind of its own has them as its number.</summary>
    private const int Full = 28;
    private const int TooLarge = 27;
    private const int QuotaUsedUp = 122;

    /// <summary>Whether a write failed only for want of room: it can be done once there is some.</summary>
    public static bool Is(IOException e) => e.HResult is Full or QuotaUsedUp;

    /// <summary>There is no place for it.</summary>
    /// <param name="file">Name of the file or device.</param>
    /// <param name="what">What there is no room for.</param>
    public static IOException For(string file, string what) => new($"{file}: no room for {what}", Full);

    /// <summary>The format has no larger files.</summary>
    /// <param name="file">Name of the file.</param>
    /// <param name="reason">Which are smaller, and than what.</param>
    public static IOException Beyond(string file, string reason) => new($"{file}: {reason}", TooLarge);
}
