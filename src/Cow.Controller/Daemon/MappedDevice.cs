// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// How a device of ours is found among the mapped ones: by its unique id, not by its name. Who renames it has it served as before, and what somebody else
/// makes of its old name is not ours to change.
/// </summary>
internal static class MappedDevice
{
    /// <summary>Characters of the longest name of a device: its unique id is longer, and has room for no more.</summary>
    public const int LongestName = 121;

    private const string Prefix = "COWCTL-";

    /// <summary>The unique id of a device.</summary>
    /// <param name="name">The name that it was created with, its ident.</param>
    public static DmUuid UuidOf(string name) => new(Prefix + name);

    /// <summary>The name that a device of ours was created with.</summary>
    /// <param name="uuid">The unique id of any mapped device; null where it has none.</param>
    /// <returns>Null for one that is not ours.</returns>
    public static string? NameOf(string? uuid) => uuid?.StartsWith(Prefix, StringComparison.Ordinal) == true ? uuid[Prefix.Length..] : null;

    /// <summary>The device of ours that a file or block device lies on, whatever is between them; null where it lies on none, or nobody can tell.</summary>
    /// <param name="path">It need not be there yet.</param>
    public static string? Below(string path)
    {
        string? there = Path.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path));
        return Path.Exists(there) && BlockDevice.MappedBelow(there, Prefix) is { } uuid ? uuid[Prefix.Length..] : null;
    }
}
