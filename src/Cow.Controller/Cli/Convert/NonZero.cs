// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Convert;

/// <summary>Finds what is not zeros.</summary>
internal static class NonZero
{
    /// <summary>Finds the next run of blocks of which each has a byte that is not zero.</summary>
    /// <param name="data">Where.</param>
    /// <param name="block">Bytes of a block; the last may be shorter.</param>
    /// <param name="start">From which block's first byte on; becomes the run's.</param>
    /// <param name="length">Bytes of the run.</param>
    /// <returns>False where there is none.</returns>
    public static bool Next(ReadOnlySpan<byte> data, int block, ref int start, out int length)
    {
        int zeros = data[start..].IndexOfAnyExcept((byte)0);
        if (zeros < 0)
        {
            length = 0;
            return false;
        }

        start += zeros / block * block;
        int end = start + block;
        while (end < data.Length && Any(data, end, block))
        {
            end += block;
        }

        length = Math.Min(end, data.Length) - start;
        return true;
    }

    private static bool Any(ReadOnlySpan<byte> data, int start, int block) =>
        data.Slice(start, Math.Min(block, data.Length - start)).ContainsAnyExcept((byte)0);
}
