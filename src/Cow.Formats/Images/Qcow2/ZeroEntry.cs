// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>What an L2 entry becomes when chunks of its cluster are to read as zeros.</summary>
internal static class ZeroEntry
{
    /// <summary>Makes the entry.</summary>
    /// <param name="store">The image.</param>
    /// <param name="old">The cluster's entry.</param>
    /// <param name="chunk">The first chunk, of one cluster.</param>
    /// <param name="end">The chunk behind the last one.</param>
    /// <param name="backed">Something shows through where the image holds nothing.</param>
    /// <param name="keepsPlace">A place in the cluster was given out and is not committed: its host cluster must stay.</param>
    /// <param name="zero">The entry; the old one where there is nothing to do.</param>
    /// <returns>False where no entry can say it.</returns>
    public static bool TryMake(Qcow2Store store, L2Entry old, ulong chunk, ulong end, bool backed, bool keepsPlace, out L2Entry zero)
    {
        zero = old;
        if (old.IsEmpty && !backed)
        {
            return true;
        }
        // A raw data file holds the zeros itself.
        if (store.Header.Has(AutoclearFeatures.RawDataFile))
        {
            return false;
        }
        if (store.Layout.Extended)
        {
            return TryMakeExtended(store, old, chunk, end, keepsPlace, out zero);
        }
        if (!store.Layout.ZeroFlag)
        {
            zero = default;
            return !backed;
        }
        zero = store.DataFile is not null ? old with { Raw = old.Raw | L2Entry.Zero } : new L2Entry(L2Entry.Zero, 0);
        return true;
    }

    private static bool TryMakeExtended(Qcow2Store store, L2Entry old, ulong chunk, ulong end, bool keepsPlace, out L2Entry zero)
    {
        uint first = uint.MaxValue << (int)(chunk % Qcow2Layout.Subclusters);
        uint mask = end % Qcow2Layout.Subclusters == 0 ? first : first & ~(uint.MaxValue << (int)(end % Qcow2Layout.Subclusters));
        zero = old;
        if (old.IsCompressed && mask != uint.MaxValue)
        {
            return false;
        }
        uint allocated = old.IsCompressed ? 0 : old.Allocated & ~mask;
        ulong bits = allocated | ((ulong)((old.IsCompressed ? 0 : old.Zeroed) | mask) << 32);
        bool keeps = allocated != 0 || (old.Copied && (keepsPlace || store.DataFile is not null));
        zero = new L2Entry(keeps ? old.Raw : 0, bits);
        return true;
    }
}
