// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

internal enum StepKind
{
    Write,
    Zero,

    /// <summary>Reads as zeros afterwards.</summary>
    Discard,
    Flush,
}

/// <summary>What a random history does next to a disk.</summary>
/// <param name="Kind">What.</param>
/// <param name="Offset">A multiple of 512.</param>
/// <param name="Length">A multiple of 512; 0 for a flush.</param>
internal readonly record struct DiskStep(StepKind Kind, ulong Offset, int Length)
{
    /// <summary>Draws a step. Half of them begin and end where chunks do, or beside it; few chunks are met often.</summary>
    public static DiskStep Draw(Random random, ulong diskBytes, ulong chunkBytes)
    {
        int kind = random.Next(10);
        if (kind == 0)
        {
            return new DiskStep(StepKind.Flush, 0, 0);
        }
        long sectors = (long)diskBytes / 512;
        long chunk = (long)chunkBytes / 512;
        long start = random.NextInt64(sectors);
        start = random.Next(2) == 0 ? start : Math.Max(0, (start / chunk * chunk) - random.Next(2));
        long length = random.Next(3) switch
        {
            0 => 1 + random.Next(8),
            1 => chunk * (1 + random.Next(2)),
            _ => 1 + random.NextInt64(2 * chunk),
        };
        length = Math.Min(Math.Min(length, MostSectors), sectors - start);
        return new DiskStep(kind <= 2 ? StepKind.Zero : StepKind.Write, (ulong)start * 512, (int)length * 512);
    }

    /// <summary>A zeroing step as a discard, of all units that it touches.</summary>
    public DiskStep AsDiscard(int unit, ulong diskBytes)
    {
        ulong start = Offset / (ulong)unit * (ulong)unit;
        ulong end = Math.Min((Offset + (ulong)Length + (ulong)unit - 1) / (ulong)unit * (ulong)unit, diskBytes);
        return new DiskStep(StepKind.Discard, start, (int)(end - start));
    }

    /// <summary>Larger steps would say nothing more.</summary>
    public const int MostSectors = 8192;
}
