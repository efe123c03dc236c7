// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>A file that we made, as it was when we last looked. Only that one is ours to delete: somebody may have put another one in its place, or into it.</summary>
/// <param name="Path">Its name.</param>
/// <param name="File">See <see cref="FileIdentity"/>.</param>
/// <param name="Changed">When it was changed last.</param>
internal sealed record CreatedFile(string Path, string File, DateTime Changed)
{
    /// <summary>The file that is there now.</summary>
    public static CreatedFile Of(string path) => new(path, FileIdentity.Of(path), BlockDevice.ChangedAt(path));

    /// <summary>What the process that made it has written to it since is its own.</summary>
    public CreatedFile Renewed() => Now() is { } now && now.File == File ? now : this;

    /// <summary>Deletes it, if nobody has touched it since.</summary>
    public void Delete()
    {
        if (Now() == this)
        {
            System.IO.File.Delete(Path);
        }
    }

    private CreatedFile? Now() => System.IO.File.Exists(Path) ? Of(Path) : null;
}
