// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>A format whose compressed images are streams: nothing in them is changed once it is written.</summary>
public interface IStreamingDriver : IImageDriver
{
    /// <summary>Begins a stream in an empty file.</summary>
    /// <param name="source">The file.</param>
    /// <param name="options">What the image is to be; it is backed by nothing.</param>
    /// <exception cref="ArgumentException">The format does not take these options.</exception>
    IStreamedImage Stream(ImageSource source, ImageCreateOptions options);
}
