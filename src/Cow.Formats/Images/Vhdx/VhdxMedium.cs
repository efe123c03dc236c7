// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>The file as it is once its log is played back, although nothing is written: for metadata.</summary>
/// <param name="file">The file.</param>
/// <param name="replay">What the log has to say, or null where it has nothing.</param>
internal sealed class VhdxMedium(CachedFile file, VhdxReplay? replay)
{
    /// <summary>Name of the file, for messages.</summary>
    public string Name => file.Name;

    /// <summary>Bytes of the file.</summary>
    public long Length => Math.Max(file.Length, replay?.FileLength ?? 0);

    /// <summary>Whether a range is zeros for sure, without reading it.</summary>
    public bool IsZeros(long offset, long length) => EndOfZeros(offset, offset + length) == offset + length;

    /// <summary>How far the bytes from an offset on are zeros for sure: holes of the file, and what the log zeroes.</summary>
    /// <param name="offset">Byte offset inside <see cref="Length"/>.</param>
    /// <param name="limit">Looks no further than here.</param>
    public long EndOfZeros(long offset, long limit)
    {
        for (long at = offset; at < limit;)
        {
            bool zeroed = false;
            long next = replay?.NextChange(at, out zeroed) ?? long.MaxValue;
            if (!zeroed && at < file.Length)
            {
                next = Math.Min(next, file.NextData(at));
            }
            if (next == at)
            {
                return at;
            }
            at = next;
        }
        return limit;
    }

    /// <summary>Reads. What is asked for must be inside <see cref="Length"/>.</summary>
    public void Read(Span<byte> buffer, long offset)
    {
        if (replay is null)
        {
            file.ReadAt(buffer, offset);
            return;
        }
        int present = (int)Math.Clamp(file.Length - offset, 0, buffer.Length);
        file.ReadAt(buffer[..present], offset);
        buffer[present..].Clear();
        replay.Patch(buffer, offset);
    }
}
