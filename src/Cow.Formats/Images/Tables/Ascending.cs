// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.Formats.Images.Tables;

/// <summary>Sorts places in a file, which mostly are in order already: files grow at their end. That is found out first.</summary>
internal static class Ascending
{
    /// <summary>Sorts numbers.</summary>
    public static void Sort(List<ulong> keys)
    {
        if (!IsSorted(CollectionsMarshal.AsSpan(keys)))
        {
            keys.Sort();
        }
    }

    /// <summary>Sorts numbers, and with each what belongs to it.</summary>
    public static void Sort<T>(List<ulong> keys, List<T> items) => Sort(CollectionsMarshal.AsSpan(keys), CollectionsMarshal.AsSpan(items));

    /// <summary>Sorts numbers in place, and with each what belongs to it.</summary>
    public static void Sort<T>(Span<ulong> keys, Span<T> items)
    {
        if (!IsSorted(keys))
        {
            keys.Sort(items);
        }
    }

    private static bool IsSorted(ReadOnlySpan<ulong> keys)
    {
        for (int i = 1; i < keys.Length; i++)
        {
            if (keys[i] < keys[i - 1])
            {
                return false;
            }
        }
        return true;
    }
}
