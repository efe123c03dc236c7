// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Images;

/// <summary>Says what an image is. Opens no file but the image, unless it is asked about the chain: an image from a stranger may name anything.</summary>
internal sealed class ImageInspector(DaemonPaths paths)
{
    /// <summary>A size that no store exceeds, for stores that record none.</summary>
    private const ulong AnySize = long.MaxValue / 512 * 512;

    /// <summary>Snapshots of an image that are told: qcow2 may have 64 Ki, in each image of a chain.</summary>
    private const int MostSnapshots = 200;

    /// <summary>Facts of one image, or store.</summary>
    public ImageReport Inspect(ImageSpec spec)
    {
        using ImageSession session = new(paths, spec);
        ImageSource source = session.Source();
        IFormatDriver? store = spec.Format is { } name ? FormatRegistry.Find(name) : FormatRegistry.Probe(source.File);
        if (store is not null)
        {
            return OfStore(source, store);
        }

        IImageDriver driver = ImageFormats.DriverOf(source.File, spec);
        return OfImage(source, session.OpenOne(driver, source with { Opener = new SealedOpener() }).Info);
    }

    /// <summary>Facts of an image and of all that it is backed by.</summary>
    public ImageReport InspectChain(ImageSpec spec)
    {
        using ImageSession session = new(paths, spec);
        ImageChain chain = session.OpenChain();
        ImageReport[] all = [.. chain.Images.Select(image => OfImage(image.Info.Path, image.Info.File, image.Info))];
        return all[0] with { Image = spec.Path, Chain = all[1..] };
    }

    private static ImageReport OfImage(ImageSource source, ImageInfo info) => OfImage(source.Path, source.File, info);

    private static ImageReport OfImage(string path, IImageFile file, ImageInfo info)
    {
        IReadOnlyList<ImageSnapshot> snapshots = info.Snapshots;
        SnapshotReport[] shown = [.. snapshots.Take(MostSnapshots).Select(static snapshot => new SnapshotReport(snapshot.Id, snapshot.Name, snapshot.VirtualBytes))];
        return OfImage(path, file, info, shown, snapshots.Count - shown.Length);
    }

    private static ImageReport OfImage(string path, IImageFile file, ImageInfo info, SnapshotReport[] snapshots, int moreSnapshots) => new(
        path,
        info.Format,
        info.VirtualBytes,
        file.Length,
        SparseFile.OccupiedBytes(path),
        info.ChunkSectors,
        info.Backing is { } backing ? new BackingReport(backing.Names.Count > 0 ? backing.Names[0] : "", backing.Format) : null,
        snapshots,
        moreSnapshots,
        Unique(info.Facts),
        info.ReadOnlyReason,
        Chain: null);

    private static ImageReport OfStore(ImageSource source, IFormatDriver driver)
    {
        // Only the first format opens without its base; of the others the name is what can be told.
        using ICowFormat? store = driver == FormatRegistry.All[0]
            ? driver.Open(new FormatFiles(source.File), new OpenOptions(AnySize, null, ReadOnly: true))
            : null;
        Dictionary<string, string> facts = [];
        if (store is not null)
        {
            facts["changed chunks"] = $"{store.Usage.PlacedChunks}";
        }

        return new ImageReport(
            source.Path, driver.Name, null, source.File.Length, SparseFile.OccupiedBytes(source.Path), store?.Info.ChunkSectors, null, [], 0, facts, null, null);
    }

    private static Dictionary<string, string> Unique(IReadOnlyList<KeyValuePair<string, string>> facts)
    {
        Dictionary<string, string> unique = [];
        foreach ((string name, string value) in facts)
        {
            unique[name] = value;
        }

        return unique;
    }

    /// <summary>Stands in for files that an image names, without opening them: nothing of them is needed to say what the image is.</summary>
    private sealed class SealedOpener : IImageOpener
    {
        public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable)
        {
#pragma warning disable CA2000 // Nothing is open in it.
            CachedFile file = new(new UnopenedFile(imagePath, name), new MetadataCache());
#pragma warning restore CA2000
            return new OpenedFile(file, Path.GetFullPath(name, Path.GetDirectoryName(imagePath)!));
        }
    }

    /// <summary>A file that nobody opened: as long as anybody wants, and not to be read.</summary>
    private sealed class UnopenedFile(string imagePath, string name) : IImageFile
    {
        public string Name => name;

        public long Length => long.MaxValue / 512 * 512;

        public void ReadAt(Span<byte> buffer, long offset) => throw new CliException(
            ExitCode.Usage, imagePath, $"cannot be told without opening '{name}', which it names", "give --chain to allow that");

        public void WriteAt(ReadOnlySpan<byte> data, long offset) => throw new InvalidOperationException("a file that is not open");

        public void Flush()
        {
        }

        public void Dispose()
        {
        }
    }
}
