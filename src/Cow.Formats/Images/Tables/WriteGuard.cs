// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>Ends all writing of an image with the first change that fails: nobody knows then what of it is on the disk.</summary>
/// <param name="file">The image's main file.</param>
internal sealed class WriteGuard(IImageFile file)
{
    private bool _failed;

    /// <summary>Holds that nothing failed so far.</summary>
    /// <exception cref="IOException">Something did.</exception>
    public void RefuseIfFailed()
    {
        if (_failed)
        {
            throw new IOException($"{file.Name}: an earlier write failed; open the image again");
        }
    }

    /// <summary>Holds the same, and that nothing more is written until <see cref="EndChange"/>: an exception in between leaves it so.</summary>
    public void BeginChange()
    {
        RefuseIfFailed();
        _failed = true;
    }

    /// <summary>The change succeeded.</summary>
    public void EndChange() => _failed = false;
}
