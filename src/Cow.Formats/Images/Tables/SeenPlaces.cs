// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>
/// The pieces of metadata of one size that were gone through of late, and whose they are. No two parts of a disk share one: where they do, a file of a
/// page speaks of a disk of any size, and whoever goes through that never ends.
/// </summary>
/// <param name="bytes">Bytes of a piece.</param>
/// <remarks>For images that are only read: of one that is written all metadata is judged when it is opened. Not thread-safe.</remarks>
internal sealed class SeenPlaces(long bytes)
{
    /// <summary>Pieces that are remembered: more than there can be in a small file.</summary>
    private const int Most = 4096;

    // By the place divided by the size: two that have one key lie over each other, and so may neighbours.
    private readonly Dictionary<long, (long Place, ulong Owner)> _seen = [];

    /// <summary>Sees a piece.</summary>
    /// <param name="place">Its byte offset.</param>
    /// <param name="owner">The part of the disk that it speaks of.</param>
    /// <returns>Whether no other owner's lies over it, as far as they are remembered.</returns>
    public bool IsOwn(long place, ulong owner)
    {
        long key = place / bytes;
        if (IsAnothers(key, place, owner) || IsAnothers(key - 1, place, owner) || IsAnothers(key + 1, place, owner))
        {
            return false;
        }
        if (_seen.Count == Most)
        {
            _seen.Clear();
        }
        _seen[key] = (place, owner);
        return true;
    }

    private bool IsAnothers(long key, long place, ulong owner) =>
        _seen.TryGetValue(key, out (long Place, ulong Owner) seen) && seen.Owner != owner && Math.Abs(seen.Place - place) < bytes;
}
