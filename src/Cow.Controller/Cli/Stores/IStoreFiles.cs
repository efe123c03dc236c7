// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Stores;

/// <summary>Opens the devices and files of stores that no device uses.</summary>
internal interface IStoreFiles
{
    bool Exists(string path);

    bool IsBlockDevice(string path);

    /// <summary>Bytes of a device or file.</summary>
    /// <exception cref="CliException">There is none.</exception>
    long Size(string path);

    /// <exception cref="CliException">There is none, or it is in use.</exception>
    IImageFile OpenForReading(string path);

    /// <summary>A file is made where there is none.</summary>
    /// <exception cref="CliException">It is in use.</exception>
    IImageFile OpenForWriting(string path);

    /// <summary>Makes a file that is shorter so many bytes long, sparse. A device stays as it is.</summary>
    void Grow(string path, long bytes);

    /// <summary>Deletes a file that was made by <see cref="OpenForWriting"/>.</summary>
    void Delete(string path);
}
