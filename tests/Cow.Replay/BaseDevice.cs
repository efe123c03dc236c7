// SPDX-License-Identifier: MIT
using Microsoft.Win32.SafeHandles;

namespace Cow.Replay;

/// <summary>The base, by 4 KiB blocks; each is read once.</summary>
internal sealed class BaseDevice(string path) : IDisposable
{
    private readonly SafeFileHandle _file = File.OpenHandle(path);
    private readonly Dictionary<ulong, byte[]> _blocks = [];

    /// <summary>A sector of a block.</summary>
    public ReadOnlySpan<byte> Sector(ulong block, int index)
    {
        if (!_blocks.TryGetValue(block, out byte[]? data))
        {
            data = new byte[Page.Bytes];
            // The base's end may cut the last block off.
            _ = RandomAccess.Read(_file, data, (long)block * Page.Bytes);
            _blocks.Add(block, data);
        }
        return data.AsSpan(index * SectorStamp.Bytes, SectorStamp.Bytes);
    }

    public void Dispose() => _file.Dispose();
}
