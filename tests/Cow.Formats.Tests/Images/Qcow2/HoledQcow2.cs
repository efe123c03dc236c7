// SPDX-License-Identifier: MIT
using static Cow.Formats.Tests.Images.Giant;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>qcow2 images that are put together by hand.</summary>
internal static class HoledQcow2
{
    /// <summary>A qcow2 of some clusters: header, refcount table, one block in which only the first four clusters count, and room for an L1 table.</summary>
    public static HoledFile Make(long clusters, ulong diskBytes, int clusterBits = 16)
    {
        long cluster = 1L << clusterBits;
        HoledFile file = new(clusters * cluster);
        ulong l1 = (diskBytes + (1UL << ((2 * clusterBits) - 3)) - 1) >> ((2 * clusterBits) - 3);
        file.WriteAt(
            Fields((0, 4, 0x514649fb), (4, 4, 3), (20, 4, clusterBits), (24, 8, (long)diskBytes), (36, 4, (long)l1), (40, 8, 3 * cluster), (48, 8, cluster), (56, 4, 1), (96, 4, 4), (100, 4, 104)), 0);
        file.WriteAt(Words(1, _ => (ulong)(2 * cluster)), cluster);
        file.WriteAt([0, 1, 0, 1, 0, 1, 0, 1], 2 * cluster);
        return file;
    }

    /// <summary>Big-endian fields: each its offset, its bytes and its value.</summary>
    public static byte[] Fields(params (int At, int Bytes, long Value)[] fields)
    {
        byte[] bytes = new byte[fields.Max(f => f.At + f.Bytes)];
        foreach ((int at, int count, long value) in fields)
        {
            for (int i = 0; i < count; i++)
            {
                bytes[at + i] = unchecked((byte)(value >> (8 * (count - 1 - i))));
            }
        }
        return bytes;
    }
}
