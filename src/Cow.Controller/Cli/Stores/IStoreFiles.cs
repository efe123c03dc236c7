// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Stores;

/// <summary>Opens the devices and files of stores that no device uses.</summary>
internal interface IStoreFiles
{
    bool Exists(string path);

    bool IsBlockDevice(string path);

    /// <summary>Whether two paths lead to one device or file.</summary>
    bool AreSame(string path, string other);

    /// <summary>Bytes of a device or file.</summary>
    /// <exception cref="CliException">There is none.</exception>
    long Size(string path);

    /// <exception cref="CliException">There is none, or it is in use.</exception>
    IImageFile OpenForReading(string path);

    /// <summary>Makes an empty file where there is nothing.</summary>
    /// <returns>The file; null where there is something already, which is not the caller's.</returns>
    CreatedFile? Make(string path);

    /// <exception cref="CliException">There is none, or it is in use.</exception>
    IImageFile OpenForWriting(string path);

    /// <summary>Makes a file that is shorter so many bytes long, sparse. A device stays as it is.</summary>
    void Grow(string path, long bytes);
}
