// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using System.Text;

namespace Cow.DmIoctl.Abi;

/// <summary>Zero-terminated UTF-8 in fixed room.</summary>
internal static class CText
{
    /// <summary>Writes a text and zeros behind it.</summary>
    /// <param name="text">Without NUL; its bytes and a zero must fit, else <see cref="ArgumentException"/>.</param>
    /// <param name="room">All of it is written.</param>
    public static void Write(string text, Span<byte> room)
    {
        if (text.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(text) >= room.Length)
        {
            throw new ArgumentException($"'{text}' is longer than {room.Length - 1} bytes, or has a NUL in it");
        }

        room.Clear();
        Encoding.UTF8.GetBytes(text, room);
    }

    /// <summary>Reads up to the zero, or all of it where there is none.</summary>
    /// <param name="room">What the kernel wrote.</param>
    public static string Read(ReadOnlySpan<byte> room)
    {
        int end = room.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? room : room[..end]);
    }

    /// <summary>The bytes of a struct.</summary>
    /// <param name="value">A struct without references.</param>
    public static Span<byte> BytesOf<T>(ref T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));
}
