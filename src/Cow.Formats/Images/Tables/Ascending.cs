// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.Formats.Images.Tables;

/// <summary>Sorts places in a file, which mostly are in order already: files grow at their end. That is found out first.</summary>
internal static class Ascending
{
    /// <summary>Sorts numbers.</summary>
    public static void Sort(List<ulong> keys)
    {
        if (!IsSorted(keys))
        {
            keys.Sort();
        }
    }

    /// <summary>Sorts numbers, and with each what belongs to it.</summary>
    public static void Sort<T>(List<ulong> keys, List<T> items)
    {
        if (!IsSorted(keys))
        {
            CollectionsMarshal.AsSpan(keys).Sort(CollectionsMarshal.AsSpan(items));
        }
    }

    private static bool IsSorted(List<ulong> keys)
    {
        ReadOnlySpan<ulong> all = CollectionsMarshal.AsSpan(keys);
        for (int i = 1; i < all.Length; i++)
        {
            if (all[i] < all[i - 1])
            {
                return false;
            }
        }
        return true;
    }
}
