// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>A driver that can repair what its Check finds.</summary>
public interface IRepairingDriver : IImageDriver
{
    /// <summary>Repairs what can be repaired without a guess: counts, flags and lost space; never what the disk reads. Offline.</summary>
    /// <param name="source">An image, open writable; Open may refuse to write it.</param>
    /// <returns>What is still wrong afterwards.</returns>
    /// <exception cref="ImageFormatException">Its header or tables cannot be read at all.</exception>
    CheckReport Repair(ImageSource source);
}
