// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;
using Cow.Formats;

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
        slab.Runs.Clear();
        ReadOnlySpan<byte> data = slab.Data;
        for (int start = 0; start < data.Length && NonZero.Next(data, BlockBytes, ref start, out int length); start += length)
        {
            slab.Runs.Add(slab.Chunks(start, length, BlockBytes));
        }
    }

    public void Write(Slab slab)
    {
        foreach (ChunkRun run in slab.Runs)
        {
            _file.WriteAt(slab.DataOf(run, BlockBytes), (long)run.Chunk * BlockBytes);
        }
    }

    public void Complete()
    {
    }

    public void Dispose()
    {
    }
}
