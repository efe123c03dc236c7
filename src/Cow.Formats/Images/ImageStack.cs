// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images;

/// <summary>Opens an image with all that it is backed by, and makes new images over existing ones.</summary>
/// <remarks>Files named by images are opened by the <see cref="IImageOpener"/> of the source, which decides what is allowed and closes them. The
/// chain must be disposed before it.</remarks>
[SuppressMessage("Naming", "CA1711", Justification = "It is a stack of images, in no other sense than that.")]
public static class ImageStack
{
    /// <summary>Images in a chain at most.</summary>
    public const int MostImages = 64;

    /// <summary>Opens a chain: the image as the options say, what it is backed by read-only.</summary>
    /// <param name="image">The image, and the way to what it names.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ImageFormatException">An image is wrong, names what it may not, or is not of a known format.</exception>
    /// <exception cref="ArgumentException">A format of the options is unknown, or does not do what is asked for.</exception>
    public static ImageChain Open(ImageSource image, ImageStackOptions options)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(options);
        IImageDriver driver = DriverOf(image, options);
        List<IDiskImage> images = [];
        options = options with { Unpacked = new UnpackedChunk() };
        return TakeOver(images, options.Writable, () =>
        {
            bool complete = false;
            void AddBelow(BackingReference? reference)
            {
                complete = true;
                AddBacking(images, reference, image, options);
            }
            IDiskImage top = driver.Open(image, options.ForTop with { BeforeWriting = AddBelow });
            images.Insert(0, top);
            if (!complete)
            {
                AddBacking(images, top.Info.Backing, image, options);
            }
        });
    }

    /// <summary>Makes an empty image in an empty file, and opens it writable, with what it is backed by.</summary>
    /// <param name="image">The file.</param>
    /// <param name="driver">The format.</param>
    /// <param name="options">What it is to be. A size of 0 is that of the backing image. <see cref="ImageCreateOptions.Backing"/> must be null.</param>
    /// <param name="backing">What it shall be backed by, or null. Named in the image by its file name where both are in one directory, else by
    /// its full path.</param>
    /// <param name="backingOptions">How that is opened: read-only.</param>
    /// <exception cref="ImageFormatException">What it shall be backed by cannot be opened.</exception>
    /// <exception cref="ArgumentException">The format does not take these options.</exception>
    public static ImageChain Create(
        ImageSource image, IImageDriver driver, ImageCreateOptions options, ImageSource? backing = null, ImageStackOptions? backingOptions = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(driver);
        ArgumentNullException.ThrowIfNull(options);
        List<IDiskImage> images = [];
        return TakeOver(images, writable: true, () =>
        {
            ImageCreateOptions all = options;
            if (backing is not null)
            {
                ImageStackOptions below = (backingOptions ?? new ImageStackOptions()) with { Writable = false };
                images.AddRange(Open(backing, below).Images);
                RequireDepth(images.Count + 1, image.Path, 0);
                ulong bytes = options.VirtualBytes == 0 ? images[0].Info.VirtualBytes : options.VirtualBytes;
                all = options with { VirtualBytes = bytes, Backing = ReferenceTo(backing, images[0].Info, image.Path, below) };
            }
            images.Insert(0, driver.Create(image, all));
        });
    }

    /// <summary>How an image at <paramref name="imagePath"/> refers to another.</summary>
    private static BackingReference ReferenceTo(ImageSource backing, ImageInfo info, string imagePath, ImageStackOptions options)
    {
        string format = options.Find(info.Format)?.QemuName ?? info.Format;
        bool together = Path.GetDirectoryName(backing.Path) == Path.GetDirectoryName(imagePath);
        return new BackingReference([backing.Name ?? (together ? Path.GetFileName(backing.Path) : backing.Path)], format, info.Identity, 0);
    }

    /// <summary>Makes a chain of the images that <paramref name="open"/> adds; closes them again where it fails.</summary>
    private static ImageChain TakeOver(List<IDiskImage> images, bool writable, Action open)
    {
        try
        {
            open();
            return new ImageChain(images, writable);
        }
        catch
        {
            images.ForEach(image => image.Dispose());
            throw;
        }
    }

    /// <summary>Adds all that an image is backed by.</summary>
    private static void AddBacking(List<IDiskImage> images, BackingReference? next, ImageSource top, ImageStackOptions options)
    {
        HashSet<string> paths = [top.Path];
        ImageSource child = top;
        while (next is { } reference)
        {
            RequireDepth(paths.Count + 1, child.Path, reference.Offset);
            OpenedFile file = OpenFirst(reference, child);
            if (!paths.Add(file.Path))
            {
                throw new ImageFormatException(child.Path, reference.Offset, "a chain of backing images that ends", $"{file.Path} a second time: a loop");
            }
            ImageSource parent = new(file.File, file.Path, child.Opener);
            IDiskImage image = OpenBacking(parent, reference, child, options);
            images.Add(image);
            RequireIdentity(image.Info, reference, child.Path, file.Path);
            (child, next) = (parent, image.Info.Backing);
        }
    }

    /// <summary>Opens the file of the first name that can be opened. Where none can, the best name says why.</summary>
    private static OpenedFile OpenFirst(BackingReference reference, ImageSource child)
    {
        ImageFormatException? first = null;
        foreach (string name in reference.Names)
        {
            try
            {
                return child.Opener.OpenNamed(name, child.Path, reference.Offset, writable: false);
            }
            catch (ImageFormatException e)
            {
                first ??= e;
            }
        }
        throw first ?? new ImageFormatException(child.Path, reference.Offset, "the name of a backing image", "none");
    }

    /// <summary>Opens a backing image by the format that its child gives, else by the one that the caller gives, else by its magic.</summary>
    /// <remarks>A guest that had a raw image as its disk may have written any magic into it, with names of other people's files behind it. So raw
    /// is never guessed, and an image that was recognised by nothing but its magic names no further file.</remarks>
    private static IDiskImage OpenBacking(ImageSource parent, BackingReference reference, ImageSource child, ImageStackOptions options)
    {
        if (reference.Format is { } said)
        {
            IImageDriver driver = options.Find(said)
                ?? throw new ImageFormatException(child.Path, reference.Offset, $"a backing image of a known format ({options.KnownFormats})", $"format '{said}'");
            return driver.Open(parent, options.ForBacking);
        }
        if (options.BackingFormat is { } given)
        {
            return Named(given, options).Open(parent, options.ForBacking);
        }
        IImageDriver guessed = options.Probe(parent.File)
            ?? throw Unknown(parent, options, $"{child.Path} does not say which; give it with --backing-format, raw for one");
        IDiskImage image = guessed.Open(parent with { Opener = new NoOpener(child.Path) }, options.ForBacking);
        if (image.Info.Backing is { } further)
        {
            image.Dispose();
            throw NoOpener.Refusal(parent.Path, further.Offset, child.Path);
        }
        return image;
    }

    private static void RequireIdentity(ImageInfo parent, BackingReference reference, string childPath, string parentPath)
    {
        if (reference.Identity is { } wanted && !string.Equals(wanted, parent.Identity, StringComparison.OrdinalIgnoreCase))
        {
            throw new ImageFormatException(
                childPath, reference.Offset, $"a backing image with the identity {wanted}", $"{parentPath} with {parent.Identity ?? "none"}: it was changed, or is another one");
        }
    }

    private static void RequireDepth(int images, string path, long offset)
    {
        if (images > MostImages)
        {
            throw new ImageFormatException(path, offset, $"a chain of {MostImages} images at most", "a deeper one, or a loop");
        }
    }

    private static IImageDriver DriverOf(ImageSource image, ImageStackOptions options) => options.Format is { } format
        ? Named(format, options)
        : options.Probe(image.File) ?? throw Unknown(image, options, "a raw image must be called one");

    private static IImageDriver Named(string format, ImageStackOptions options) =>
        options.Find(format) ?? throw new ArgumentException($"there is no image format '{format}'; known are {options.KnownFormats}");

    private static ImageFormatException Unknown(ImageSource image, ImageStackOptions options, string hint) =>
        new(image.Path, 0, $"the magic of an image format ({options.KnownFormats})", $"none that is known; {hint}");

    /// <summary>Opens nothing: for an image of which nobody said what it is.</summary>
    private sealed class NoOpener(string childPath) : IImageOpener
    {
        public static ImageFormatException Refusal(string path, long offset, string childPath) => new(
            path, offset, "an image that needs no other file, since its format is a guess", $"one that names a file; {childPath} does not say its format: give it with --backing-format")
        {
            Advice = "do so if you trust the image",
        };

        public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable) => throw Refusal(imagePath, nameOffset, childPath);
    }
}
