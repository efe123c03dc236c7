// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Images;

/// <summary>Names of formats, of images and of stores, as the registries have them.</summary>
internal static class ImageFormats
{
    /// <summary>Formats of disk images.</summary>
    public static IReadOnlyList<string> OfImages { get; } = [.. ImageRegistry.All.Select(static driver => driver.Name)];

    /// <summary>Formats of stores.</summary>
    public static IReadOnlyList<string> OfStores { get; } = [.. FormatRegistry.All.Select(static driver => driver.Name)];

    /// <summary>Both.</summary>
    public static string Names => string.Join(", ", OfStores.Concat(OfImages));

    /// <summary>The driver of an image: by name, or by magic.</summary>
    /// <exception cref="CliException">There is no such format, or the file bears no magic that is known.</exception>
    public static IImageDriver DriverOf(IImageFile file, ImageSpec spec) => spec.Format is null
        ? ImageRegistry.Probe(file) ?? throw new CliException(
            ExitCode.BadStore, spec.Path, "bears no format that is known", $"name one with {spec.FormatOption}: {string.Join(", ", OfImages)}")
        : Named(spec.Format);

    /// <summary>The driver of that name.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public static IImageDriver Named(string name) => ImageRegistry.Find(name)
        ?? throw new CliException(ExitCode.Usage, $"format {name}", "is not a format of disk images", $"take one of {string.Join(", ", OfImages)}");

    /// <summary>Whether a path is to be taken as a disk image, and not as one of our stores: by the name of the format, else by magic.</summary>
    /// <exception cref="CliException">There is no such format.</exception>
    public static bool IsImage(string path, string? name)
    {
        if (name is not null)
        {
            return FormatRegistry.Find(name) is null && (ImageRegistry.Find(name) is not null
                ? true
                : throw new CliException(ExitCode.Usage, $"format {name}", "is not known", $"take one of {Names}"));
        }

        if (!File.Exists(path) || (!BlockDevice.IsBlockDevice(path) && new FileInfo(path).Length == 0))
        {
            return false;
        }

        using PlainFile file = PlainFile.Open(path, writable: false);
        return FormatRegistry.Probe(file) is null && ImageRegistry.Probe(file) is not null;
    }

    /// <summary>Calls a driver; settings that it does not take become an error of the command line.</summary>
    public static T Checked<T>(string path, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (ArgumentException e)
        {
            // .NET puts the name of our parameter behind the sentence.
            throw new CliException(ExitCode.Usage, path, e.Message.Split(" (Parameter")[0], "give what the format takes");
        }
    }
}
