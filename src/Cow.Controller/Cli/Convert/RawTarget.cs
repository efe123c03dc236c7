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

    /// <param name="file">The file, empty, or the device.</param>
    /// <param name="bytes">Bytes of the disk.</param>
    /// <param name="progress">Told how many bytes of a device are free of what was there.</param>
    public RawTarget(PlainFile file, ulong bytes, Action<ulong> progress)
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
            file.ZeroDevice((long)bytes, progress);
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
