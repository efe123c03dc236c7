// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// The names in a directory of thousands, read as getdents(2) gives them. The runtime's enumerations cost several times as
/// much, and where a name is a link, as in sysfs, they look it up.
/// </summary>
internal static class DirectoryNames
{
    private const int RoomBytes = 32 * 1024;

    // struct linux_dirent64: after an inode and an offset the length of the whole, and a type of one byte.
    private const int LengthAt = 16;
    private const int NameAt = 19;

    /// <summary>Does something with every name, "." and ".." among them, in no order; with none where there is no such directory.</summary>
    /// <param name="directory">Its path.</param>
    /// <param name="act">Gets the bytes of a name, which are gone when it returns.</param>
    public static unsafe void ForEach(string directory, Action<ReadOnlySpan<byte>> act)
    {
        if (!Directory.Exists(directory))
        {
            return;
        }

        using var handle = FileOpen.Open(directory, FileNumbers.ReadOnly);
        byte[] room = new byte[RoomBytes];
        fixed (byte* first = room)
        {
            nint bytes;
            while ((bytes = Syscall.Check(LibC.GetDents64(handle, first, RoomBytes), "getdents64", directory)) > 0)
            {
                Entries(room.AsSpan(0, (int)bytes), act);
            }
        }
    }

    private static void Entries(ReadOnlySpan<byte> entries, Action<ReadOnlySpan<byte>> act)
    {
        while (!entries.IsEmpty)
        {
            int length = MemoryMarshal.Read<ushort>(entries[LengthAt..]);
            ReadOnlySpan<byte> name = entries[NameAt..length];
            act(name[..name.IndexOf((byte)0)]);
            entries = entries[length..];
        }
    }
}
