// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Controller.Ipc;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Daemon;

/// <summary>Makes an empty disk image over a base.</summary>
internal static class NewImage
{
    /// <summary>Makes it in a file that is there and empty.</summary>
    /// <param name="lower">Path of the base.</param>
    /// <param name="spec">What is asked for; the format is one of disk images.</param>
    public static void Over(string lower, CreateSpec spec)
    {
        var cache = new MetadataCache(1 << 20);
        using var opener = new DirectoryOpener(cache, spec.Image!.BackingDirectories, DirectFile.OpenResolved, FileIdentity.Of);
        OpenedFile top = opener.OpenGiven(spec.Cow, writable: true);
        OpenedFile under = opener.OpenGiven(lower, writable: false);
        var options = new ImageCreateOptions((spec.SizeSectors ?? 0) * ChunkGeometry.SectorBytes, null, Settings(spec));
        var below = new ImageStackOptions(Format: spec.Image.BackingFormat, BackingFormat: spec.Image.BackingFormat);
        using ImageChain chain = ImageStack.Create(
            new ImageSource(top.File, top.Path, opener), ImageRegistry.Find(spec.Format!)!, options,
            new ImageSource(under.File, under.Path, opener) { Name = under.File.CanGrow ? null : Path.GetFullPath(lower) }, below);
        chain.Close();
    }

    private static Dictionary<string, string> Settings(CreateSpec spec)
    {
        var settings = new Dictionary<string, string>();
        if (spec.ChunkSectors is { } sectors)
        {
            settings["cluster_size"] = (sectors * ChunkGeometry.SectorBytes).ToString(CultureInfo.InvariantCulture);
        }

        foreach (string setting in spec.Image!.Settings)
        {
            string[] parts = setting.Split('=', 2);
            settings[parts[0]] = parts.Length == 2
                ? parts[1]
                : throw new RefusedException(ExitCode.Usage, setting, "is no setting", "write it as NAME=VALUE");
        }

        return settings;
    }
}
