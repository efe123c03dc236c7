// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>QEMU's qcow2, versions 2 and 3 (docs/interop/qcow2.txt).</summary>
public sealed class Qcow2Driver : IRepairingDriver
{
    /// <summary>Name on the command line.</summary>
    public const string FormatName = "qcow2";

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public bool Probe(IImageFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        Span<byte> start = stackalloc byte[8];
        if (file.Length < start.Length)
        {
            return false;
        }
        file.ReadAt(start, 0);
        return Qcow2Header.HasMagic(start);
    }

    /// <inheritdoc/>
    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Writable && options.Snapshot is not null)
        {
            throw new ArgumentException("a snapshot inside an image can only be read", nameof(options));
        }
        if (options.Writable)
        {
            BelieveHoles(source);
        }
        Qcow2Store store = new(source, options.Writable);
        if (options.Writable)
        {
            options.BeforeWriting?.Invoke(Qcow2Facts.Of(store, null).Backing);
            BeginWriting(store);
        }
        return new Qcow2Image(store, options.Snapshot, options.Unpacked);
    }

    /// <inheritdoc/>
    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        Qcow2Settings settings = Qcow2Settings.Parse(options);
        OpenedFile? made = null;
        OpenedFile? dataFile = settings.DataFile is { } name ? DataFileOf(source, name, out made) : null;
        Qcow2Creation.Write(source, options, settings);
        Qcow2Image image = OpenNew(source, dataFile);
        if (settings.Preallocated)
        {
            // Closed once, so that no cluster stays set aside for what is not to come.
            Qcow2Creation.Preallocate(image);
            image.Close();
            image = OpenNew(source, dataFile);
        }
        if (settings.RawDataFile && made is { } raw)
        {
            // It is the disk at all times, also where the last cluster reaches further.
            raw.File.SetLength(checked((long)options.VirtualBytes));
            raw.File.Flush();
        }
        return image;
    }

    /// <inheritdoc/>
    public CheckReport Repair(ImageSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        BelieveHoles(source);
        Qcow2Store store = new(source, writable: true);
        RefcountRebuild rebuild = new(store);
        rebuild.Write();
        // The marks go where nothing is left that they could mean.
        CheckReport report = Qcow2Check.Run(store, []);
        IncompatibleFeatures cured = (rebuild.Findings.Errors.Any ? 0 : IncompatibleFeatures.Dirty) | (OnlyMarked(report, store) ? IncompatibleFeatures.Corrupt : 0);
        if ((store.Header.Incompatible & cured) != 0)
        {
            store.ChangeHeader(store.Header with { Incompatible = store.Header.Incompatible & ~cured });
            store.File.Flush();
            report = Qcow2Check.Run(store, []);
        }
        if (report.Errors.Count == 0)
        {
            CutTail(store);
        }
        return report;
    }

    /// <summary>What a writer left that was killed may be called a hole until it is on the disk: nothing that is in use may seem to be free.</summary>
    private static void BelieveHoles(ImageSource source) => source.File.Flush();

    /// <summary>Whoever was killed had made the file longer before it gave out places.</summary>
    private static void CutTail(Qcow2Store store)
    {
        ulong end = Math.Max(1, store.Refcounts.EndBefore(store.Layout.Clusters(store.File.Length)));
        if (store.File.CanGrow && end << store.Layout.ClusterBits < store.File.Length)
        {
            store.File.Cut(end << store.Layout.ClusterBits);
            store.File.Flush();
        }
    }

    private static Qcow2Image OpenNew(ImageSource source, OpenedFile? dataFile)
    {
        Qcow2Store store = new(source, writable: true, dataFile);
        BeginWriting(store);
        return new Qcow2Image(store, null);
    }

    /// <summary>A new file beside the image; or one that is there already, which a raw data file may well be.</summary>
    /// <param name="source">The image.</param>
    /// <param name="name">As the settings have it.</param>
    /// <param name="made">The new one; null where there is one.</param>
    private static OpenedFile DataFileOf(ImageSource source, string name, out OpenedFile? made)
    {
        string path = Path.Combine(Path.GetDirectoryName(source.Path) ?? "", name);
        made = name == Path.GetFileName(name) && !File.Exists(path) ? source.Opener.CreateNamed(name, source.Path) : null;
        return made ?? source.Opener.OpenNamed(name, source.Path, 0, writable: true);
    }

    private static bool OnlyMarked(CheckReport report, Qcow2Store store) =>
        report.Errors.Count == (store.Header.Has(IncompatibleFeatures.Corrupt) ? 1 : 0);

    /// <summary>Judges whether the image may be written, repairs what a crash left, and clears what our writes would make untrue. Durable on return.</summary>
    private static void BeginWriting(Qcow2Store store)
    {
        if (Qcow2Facts.ReadOnlyReason(store.Header) is { } reason)
        {
            throw new ImageFormatException(store.File.Name, Qcow2Header.IncompatibleAt, "an image that may be written", reason);
        }
        store.ClaimAll();
        if (store.Header.Has(IncompatibleFeatures.Dirty))
        {
            RebuildRefcounts(store);
        }
        if (store.Refcounts.Get(0) == 0)
        {
            throw new ImageFormatException(store.File.Name, (long)store.Refcounts.Offset, "a refcount of the header; check and repair the image", "0");
        }
        if (store.Header.Version >= 3)
        {
            ClearUntrue(store);
        }
        CompleteData(store);
    }

    /// <summary>Makes the files reach to the end of all data, which reads as zeros there: the kernel maps what it writes, and nothing that its devices have not.
    /// Entries name clusters that begin in the image, so the last one may be cut, and any of a data file. Metadata that ends inside a sector gets all of that:
    /// it is written, and given blocks, by sectors.</summary>
    private static void CompleteData(Qcow2Store store)
    {
        ulong last = store.File.Length >> store.Layout.ClusterBits;
        if (store.File.Length % store.Layout.ClusterBytes != 0 && last < (ulong)long.MaxValue >> store.Layout.ClusterBits && store.File.CanGrow)
        {
            bool holdsData = store.DataFile is null && !store.Claims.Overlaps(last, 1);
            MakeLonger(store.File, holdsData ? (last + 1) << store.Layout.ClusterBits : Qcow2Store.WholeSectors(store.File.Length));
        }
        ulong disk = Qcow2Store.WholeSectors(store.Header.Size);
        if (store.DataFile is { File: { CanGrow: true } data } && (ulong)data.Length < disk)
        {
            TryExtend(data, (long)disk);
            data.Flush();
        }
    }

    private static void MakeLonger(MetadataFile file, ulong bytes)
    {
        if (file.Length < bytes)
        {
            file.Extend(bytes);
            file.Flush();
        }
    }

    /// <summary>A disk may be larger than a file can be. Then nobody can have written what lies behind the longest.</summary>
    private static void TryExtend(CachedFile data, long bytes)
    {
        try
        {
            data.SetLength(bytes);
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            // Left as it is.
        }
    }

    /// <summary>After a crash. Bitmaps that are not sound cannot be counted; a writer has no use for them and drops them, or nobody could write the
    /// disk again.</summary>
    private static void RebuildRefcounts(Qcow2Store store)
    {
        RefcountRebuild? whole = store.Header.Has(AutoclearFeatures.Bitmaps) ? CountWhole(store) : null;
        RefcountRebuild rebuild = whole ?? new(store, withBitmaps: false);
        if (rebuild.Findings.Errors.Any)
        {
            throw new ImageFormatException(store.File.Name, Qcow2Header.IncompatibleAt, "tables from which the refcounts can be rebuilt", rebuild.Findings.Report(0).Errors[0]);
        }
        if (whole is null && store.Header.Has(AutoclearFeatures.Bitmaps))
        {
            store.ChangeHeader(store.Header with { Autoclear = store.Header.Autoclear & ~AutoclearFeatures.Bitmaps });
            store.File.Flush();
            store.Extensions.DropBitmaps(store.Header, store.File);
            store.File.Flush();
        }
        rebuild.Write();
        store.ClaimAll();
    }

    private static void ClearUntrue(Qcow2Store store)
    {
        bool lazy = (store.Header.Compatible & CompatibleFeatures.LazyRefcounts) != 0;
        Qcow2Header header = store.Header with
        {
            Autoclear = store.Header.Autoclear & AutoclearFeatures.RawDataFile,
            Incompatible = lazy ? store.Header.Incompatible | IncompatibleFeatures.Dirty : store.Header.Incompatible & ~IncompatibleFeatures.Dirty,
        };
        if (header != store.Header)
        {
            store.ChangeHeader(header);
            store.File.Flush();
        }
        if (store.Extensions.Bitmaps is not null)
        {
            DropBitmaps(store);
        }
    }

    /// <summary>Takes the bitmaps out. Nothing believes them any more, so their space becomes free; but what they name may be somebody else's, too. Only a
    /// count of all tables can tell, as after a crash, and it is made once. Where it cannot be made, or nobody can say what the bitmaps had, space is
    /// lost.</summary>
    private static void DropBitmaps(Qcow2Store store)
    {
        bool sound = References.AreBitmapsSound(store);
        store.Extensions.DropBitmaps(store.Header, store.File);
        store.File.Flush();
        if (sound && CountWhole(store) is { } rebuild)
        {
            rebuild.Write();
            store.ClaimAll();
        }
    }

    /// <summary>A count of all that there is; null where something cannot be counted.</summary>
    private static RefcountRebuild? CountWhole(Qcow2Store store)
    {
        try
        {
            RefcountRebuild rebuild = new(store);
            return rebuild.Findings.Errors.Any ? null : rebuild;
        }
        catch (ImageFormatException)
        {
            return null;
        }
    }
}
