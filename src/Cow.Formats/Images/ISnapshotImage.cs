// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>An image that keeps snapshots of itself. Offline: nobody else uses it, and nothing is uncommitted.</summary>
/// <remarks>Errors: <see cref="ArgumentException"/> for a name that there is not, or is already. Durable on return.</remarks>
public interface ISnapshotImage : IDiskImage
{
    /// <summary>Keeps the present state under a name.</summary>
    /// <returns>The snapshot's id.</returns>
    string TakeSnapshot(string name);

    /// <summary>Deletes a snapshot, by its id or name.</summary>
    void DeleteSnapshot(string idOrName);

    /// <summary>Makes the image's state that of a snapshot, which stays.</summary>
    void ApplySnapshot(string idOrName);
}
