// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.Formats;
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Images;

/// <summary>Judges disk images that nobody writes, and repairs what their formats can repair.</summary>
internal sealed class ImageChecker(DaemonPaths paths)
{
    /// <summary>Reads and judges the metadata of one image; not of what it is backed by.</summary>
    /// <param name="spec">The image.</param>
    /// <param name="repair">Repair what is found, and judge again.</param>
    public StoreCheckReport Check(ImageSpec spec, bool repair)
    {
        StoreCheckReport found = Judge(spec);
        if (!repair || found.Errors.Count + found.Leaks.Count == 0)
        {
            return found;
        }

        Repair(spec);
        StoreCheckReport left = Judge(spec);
        return left with { Repaired = [.. found.Errors.Concat(found.Leaks).Except(left.Errors.Concat(left.Leaks))], MayBeRepaired = false };
    }

    private StoreCheckReport Judge(ImageSpec spec)
    {
        using ImageSession session = new(paths, spec);
        ImageSource source = session.Source();
        IImageDriver driver = Driver(spec, source);
        return Judge(spec.Path, driver, () => session.OpenOne(driver, source)) with { MayBeRepaired = driver is IRepairingDriver };
    }

    private static StoreCheckReport Judge(string path, IImageDriver driver, Func<IDiskImage> open)
    {
        try
        {
            IDiskImage image = open();
            CheckReport report = image.Check();
            return new StoreCheckReport(path, driver.Name, image.Info.ChunkSectors, report.PlacedChunks, report.Errors, report.Leaks);
        }
        catch (ImageFormatException e)
        {
            // So damaged that it does not open: the worst of findings, and still one.
            return new StoreCheckReport(path, driver.Name, 0, 0, [e.Message], []);
        }
    }

    private void Repair(ImageSpec spec)
    {
        using ImageSession session = new(paths, spec);
        ImageSource source = session.Source(writable: true);
        IImageDriver driver = Driver(spec, source);
        if (driver is IRepairingDriver repairing)
        {
            ImageFormats.Checked(spec.Path, () => repairing.Repair(source));
            return;
        }

        IDiskImage image = session.OpenOne(driver, source, repair: true);
        if (image.Info.ReadOnlyReason is { } reason)
        {
            throw new CliException(ExitCode.Usage, spec.Path, $"cannot be repaired: {reason}", "copy what can be read of it with \"cowctl convert\"");
        }

        // Opening it has repaired what a crash may leave; closing it says that it is clean.
        image.Close();
    }

    private static IImageDriver Driver(ImageSpec spec, ImageSource source)
    {
        IImageDriver driver = ImageFormats.DriverOf(source.File, spec);
        return driver.Name != "raw"
            ? driver
            : throw new CliException(ExitCode.Usage, spec.Path, "is raw: there is no metadata that could be wrong", "check what is inside it, with fsck");
    }
}
