// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Qcow2;

/// <summary>An opened image file: header, tables in memory, and who holds which cluster. What the parts of the driver share.</summary>
internal sealed class Qcow2Store
{
    /// <summary>In <see cref="ImageInfo.Files"/>.</summary>
    public const int ImageFileIndex = 0;

    /// <summary>In <see cref="ImageInfo.Files"/>, of an external data file.</summary>
    public const int DataFileIndex = 1;

    // Clusters that lose a reference when what was written so far is durable.
    private readonly List<ulong> _dropLater = [];

    // Those of them of which the last reference stays until the image is closed.
    private readonly HashSet<ulong> _kept = [];

    // Made once: each flush asks it.
    private readonly Predicate<ulong> _tryDrop;
    private bool _failed;

    /// <summary>Reads and judges header, extensions and tables.</summary>
    /// <param name="source">The image.</param>
    /// <param name="writable">It will be written.</param>
    /// <param name="dataFile">Its external data file, where that is open already; else it is opened by its name.</param>
    /// <exception cref="ImageFormatException">It is no image that we can open so.</exception>
    public Qcow2Store(ImageSource source, bool writable, OpenedFile? dataFile = null)
    {
        Source = source;
        Writable = writable;
        _tryDrop = TryDrop;
        File = new MetadataFile(source.File);
        Span<byte> start = stackalloc byte[Qcow2Header.FullBytes];
        RequireMagic(start);
        Header = Qcow2Header.Read(start);
        Extensions = ReadExtensions();
        Header.Validate(File.Name, Extensions.FeatureName);
        Layout = new Qcow2Layout(Header);
        SnapshotTable.Judge(File, Header);
        Claims = new ClaimedClusters(File.Name, Layout);
        File.RequireTable(Header.RefcountTableOffset, (Header.RefcountTableClusters << Layout.ClusterBits) / 8UL);
        File.RequireTable(Header.L1Offset, Header.L1Entries);
        Allocator = new ClusterAllocator(this);
        OpenDataFile(dataFile);
    }

    public ImageSource Source { get; }

    /// <summary>The image was opened to be written.</summary>
    public bool Writable { get; }

    public MetadataFile File { get; }

    /// <summary>The external data file, or null.</summary>
    public OpenedFile? DataFile { get; private set; }

    public HeaderExtensions Extensions { get; }

    public Qcow2Layout Layout { get; }

    public Qcow2Header Header { get; private set; }

    /// <summary>Bytes of the active L1 table. It is not kept: there may be 32 MiB of it, in each image of a chain.</summary>
    public ulong L1Bytes => Header.L1Entries * (ulong)sizeof(ulong);

    /// <summary>Read whenever somebody asks. Only a writer keeps it, of which there is one in a chain.</summary>
    public SnapshotTable Snapshots
    {
        get => Writable ? field ??= SnapshotTable.Read(File, Header) : SnapshotTable.Read(File, Header);
        set;
    }

    public ClaimedClusters Claims { get; private set; }

    /// <summary>Not read before somebody asks: who only reads the disk never does.</summary>
    public Refcounts Refcounts => field ??= new Refcounts(File, Layout, Header);

    public ClusterAllocator Allocator { get; private set; }

    /// <summary>Bytes of a disk in whole sectors; a snapshot may claim any.</summary>
    public static ulong WholeSectors(ulong size) => (Math.Min(size, ulong.MaxValue - 511) + 511) & ~511UL;

    /// <summary>Byte offset of an entry of the active L1 table.</summary>
    public ulong L1EntryAt(ulong slot) => Header.L1Offset + (slot * sizeof(ulong));

    /// <summary>An entry of the active L1 table.</summary>
    public ulong L1Entry(ulong slot) => File.Read64(L1EntryAt(slot));

    /// <summary>Changes fields of the header, all of them in its first sector; not yet durable.</summary>
    public void ChangeHeader(Qcow2Header header)
    {
        header.WriteChanged(File.Change(0));
        Header = header;
    }

    /// <summary>A change failed, whether the disk has it or not. Nothing is written any more, so what was there before is there still: that is read
    /// until the image is opened again.</summary>
    public void GoBackTo(Qcow2Header header) => Header = header;

    /// <summary>Ends all writing and marks the image, as far as that goes, so that nobody writes it before it is repaired.</summary>
    /// <returns>What to throw.</returns>
    public ImageFormatException Corrupt(ulong offset, string expected, string found)
    {
        if (Writable && !_failed)
        {
            _failed = true;
            MarkCorrupt();
        }
        return new ImageFormatException(File.Name, (long)Math.Min(offset, long.MaxValue), expected, found);
    }

    /// <summary>Holds that the image may be written, and that it may not any more until <see cref="EndChange"/>: an exception in between leaves it so.</summary>
    public void BeginChange()
    {
        RefuseIfNotWritable();
        _failed = true;
    }

    /// <summary>The change succeeded.</summary>
    public void EndChange() => _failed = false;

    public void RefuseIfNotWritable()
    {
        if (!Writable)
        {
            throw new InvalidOperationException($"{File.Name} is open read-only");
        }
        if (_failed)
        {
            throw new IOException($"{File.Name}: an earlier write failed or met damaged metadata; open the image again");
        }
    }

    /// <summary>Clusters lose a reference once all that was written so far is durable.</summary>
    public void DropLater(ulong offset, ulong bytes)
    {
        ulong first = offset >> Layout.ClusterBits;
        ulong last = (offset + Math.Max(bytes, 1) - 1) >> Layout.ClusterBits;
        for (ulong cluster = first; cluster <= last; cluster++)
        {
            _dropLater.Add(cluster);
        }
    }

    /// <summary>As <see cref="DropLater"/>; but nobody else gets the cluster before <see cref="KeepNothing"/>. Who was told that parts of it are there may read them
    /// there until then.</summary>
    public void DropKept(ulong offset)
    {
        _kept.Add(offset >> Layout.ClusterBits);
        DropLater(offset, Layout.ClusterBytes);
    }

    /// <summary>Nobody reads the disk any more.</summary>
    public void KeepNothing() => _kept.Clear();

    /// <summary>References still on the disk that nothing needs.</summary>
    public IReadOnlyList<ulong> Dropping => _dropLater;

    /// <summary>Makes all durable, then counts down what lost a reference by it.</summary>
    public void Flush()
    {
        File.Flush();
        _dropLater.RemoveAll(_tryDrop);
        File.Finish();
    }

    /// <summary>Claims all metadata anew, from the tables as they are.</summary>
    /// <exception cref="ImageFormatException">Some of it is where it cannot be, or where other metadata is.</exception>
    public void ClaimAll()
    {
        Claims = new ClaimedClusters(File.Name, Layout);
        Claims.Claim(0, Layout.ClusterBytes, 0, "the header");
        Claims.Claim(Refcounts.Offset, Refcounts.Bytes, Qcow2Header.RefcountTableAt, "the refcount table");
        Claims.Claim(Header.L1Offset, L1Bytes, Qcow2Header.L1EntriesAt, "the L1 table");
        Claims.Claim(Header.SnapshotsOffset, Snapshots.Bytes, Qcow2Header.SnapshotsAt, "the snapshot table");
        foreach (SnapshotEntry snapshot in Snapshots.Entries)
        {
            snapshot.Validate(File, Layout, Header.Size);
            Claims.Claim(snapshot.L1Offset, snapshot.L1Entries * 8UL, Header.SnapshotsOffset, $"the L1 table of snapshot {snapshot.Id}");
        }
        for (ulong i = 0; Refcounts.TryNext(ref i); i++)
        {
            Claims.Claim(Refcounts.Block(i), Layout.ClusterBytes, Refcounts.Offset + (i * 8), "a refcount block");
        }
        ClaimTables();
    }

    /// <summary>Claims the active L2 tables, in the order of the file: there may be millions.</summary>
    private void ClaimTables()
    {
        List<ulong> tables = [];
        List<int> slots = [];
        File.ForEachWord(Header.L1Offset, Header.L1Entries, (slot, entry) =>
        {
            tables.Add(ClusterMap.TableOf(this, entry, L1EntryAt(slot)));
            slots.Add((int)slot);
        });
        Ascending.Sort(tables, slots);
        for (int i = 0; i < tables.Count; i++)
        {
            Claims.Claim(tables[i], Layout.ClusterBytes, L1EntryAt((ulong)slots[i]), "an L2 table");
        }
    }

    private bool TryDrop(ulong cluster)
    {
        bool drops = !_kept.Contains(cluster) || Refcounts.Get(cluster) > 1;
        if (drops)
        {
            _kept.Remove(cluster);
            Allocator.Drop(cluster);
        }
        return drops;
    }

    private void MarkCorrupt()
    {
        if (Header.Version < 3)
        {
            return;
        }
        try
        {
            ChangeHeader(Header with { Incompatible = Header.Incompatible | IncompatibleFeatures.Corrupt });
            File.Flush();
        }
        catch (IOException)
        {
            // The damage that was met is what the caller has to hear of.
        }
    }

    private void RequireMagic(Span<byte> start)
    {
        start.Clear();
        if (File.Length < Qcow2Header.Version2Bytes)
        {
            throw new ImageFormatException(File.Name, 0, $"a header of {Qcow2Header.Version2Bytes} bytes", $"a file of {File.Length}");
        }
        File.Read(start, 0);
        if (!Qcow2Header.HasMagic(start))
        {
            throw new ImageFormatException(File.Name, 0, "the magic of qcow2, \"QFI\\xfb\", and version 2 or 3", $"{Convert.ToHexString(start[..8])}");
        }
    }

    /// <summary>Before the header is judged, since unknown features have their names here; so only where they can be found.</summary>
    private HeaderExtensions ReadExtensions()
    {
        bool found = Header.ClusterBits is >= 9 and <= 21 && Header.HeaderLength <= Header.ClusterBytes && Header.HeaderLength >= Qcow2Header.Version2Bytes
            && (Header.BackingOffset == 0 || Header.BackingOffset >= Header.HeaderLength);
        return found ? HeaderExtensions.Read(Header, File) : new HeaderExtensions();
    }

    private void OpenDataFile(OpenedFile? given)
    {
        if (!Header.Has(IncompatibleFeatures.DataFile))
        {
            return;
        }
        string name = Extensions.DataFile
            ?? throw new ImageFormatException(File.Name, Header.HeaderLength, "the name of the external data file", "none");
        if (Header.Has(AutoclearFeatures.RawDataFile) && Header.BackingOffset != 0)
        {
            throw new ImageFormatException(File.Name, Qcow2Header.AutoclearAt, "no backing file under a raw data file", "one");
        }
        DataFile = given ?? Source.Opener.OpenNamed(name, Source.Path, Extensions.DataFileOffset, Writable);
        if (DataFile.Value.Path == Source.Path)
        {
            throw new ImageFormatException(File.Name, Extensions.DataFileOffset, "an external data file that is another file than the image", $"'{name}'");
        }
    }
}
