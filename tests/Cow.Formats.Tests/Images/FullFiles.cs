// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Files in memory on a file system that becomes full: from then on they take writes before their end, and behind it where they were given
/// blocks.</summary>
internal sealed class FullFiles
{
    private readonly List<FullFile> _files = [];

    public IImageFile New(string name)
    {
        _files.Add(new FullFile(name));
        return _files[^1];
    }

    /// <summary>There is no room any more.</summary>
    public void Fill() => _files.ForEach(file => file.Fill());

    /// <summary>Gives blocks to a part of one of the files, however full.</summary>
    public static void Keep(IImageFile file, ByteRange bytes) => ((FullFile)file).Keep(bytes);

    private sealed class FullFile(string name) : IImageFile
    {
        private const int Sector = 512;

        private readonly MemoryImageFile _bytes = new([], name);
        private readonly HashSet<long> _kept = [];
        private long _end = long.MaxValue;

        public string Name => name;

        public long Length => _bytes.Length;

        public bool CanGrow => true;

        public void Fill() => _end = Length;

        public void Keep(ByteRange bytes)
        {
            for (long at = bytes.Offset / Sector; at * Sector < bytes.Offset + bytes.Length; at++)
            {
                _kept.Add(at);
            }
        }

        public void SetLength(long bytes) => _bytes.SetLength(bytes);

        public void ReadAt(Span<byte> buffer, long offset) => _bytes.ReadAt(buffer, offset);

        public void WriteAt(ReadOnlySpan<byte> data, long offset)
        {
            for (long at = Math.Max(offset, _end) / Sector; at * Sector < offset + data.Length; at++)
            {
                if (!_kept.Contains(at))
                {
                    throw new IOException($"{name}: no space for byte {at * Sector}");
                }
            }
            _bytes.WriteAt(data, offset);
        }

        public void Flush() => _bytes.Flush();

        public void Dispose()
        {
        }
    }
}
