// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;

namespace Cow.Controller.Cli.Convert;

/// <summary>A raw file, with holes where the disk is zeros, or a device.</summary>
internal sealed class RawTarget : IConvertTarget
{
    /// <summary>What file systems make holes of.</summary>
    private const int BlockBytes = 4096;

    private readonly PlainFile _file;

    public RawTarget(PlainFile file, ulong bytes)
    {
        _file = file;
        if (file.CanGrow)
        {
            file.SetLength(checked((long)bytes));
        }
        else if ((ulong)file.Length < bytes)
        {
            throw new CliException(ExitCode.NoSpace, file.Name, $"has {file.Length} bytes, the disk has {bytes}", "take a larger device");
        }
        else
        {
            file.ZeroDevice((long)bytes);
        }
    }

    public int ChunkBytes => BlockBytes;

    public void Prepare(Slab slab)
    {
    }

    public void Place(Slab slab)
    {
    }

    public void Write(Slab slab)
    {
        ReadOnlySpan<byte> data = slab.Data;
        for (int start = 0; start < data.Length && NonZero.Next(data, BlockBytes, ref start, out int length); start += length)
        {
            _file.WriteAt(data.Slice(start, length), (long)slab.Offset + start);
        }
    }

    public void Complete()
    {
    }

    public void Dispose()
    {
    }
}
