// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl.Tests;

/// <summary>A named pipe in place of the kernel: what is written to it can be read from it.</summary>
internal sealed class Fifo : IDisposable
{
    private const uint FifoMode = 0x1000 | 0x180;
    private readonly TempFile _node = new();

    public Fifo() => Syscall.Check(LibC.MkNod(_node.Path, FifoMode, 0), "mkfifo", _node.Path);

    public string Path => _node.Path;

    public SafeFileHandle Open() => FileOpen.Open(_node.Path, FileNumbers.ReadWrite | FileNumbers.NonBlock);

    public static unsafe void Send(SafeFileHandle handle, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* all = bytes)
        {
            Syscall.Check(LibC.Write(handle, all, (nuint)bytes.Length), "write");
        }
    }

    public static unsafe byte[] Receive(SafeFileHandle handle, int room)
    {
        byte[] bytes = new byte[room];
        fixed (byte* all = bytes)
        {
            return bytes[..(int)Syscall.Check(LibC.Read(handle, all, (nuint)room), "read")];
        }
    }

    public void Dispose() => _node.Dispose();
}
