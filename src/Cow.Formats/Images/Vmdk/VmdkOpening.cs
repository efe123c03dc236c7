// SPDX-License-Identifier: MIT
using System.Buffers;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Opens a VMDK image: from a descriptor its extents, or from an extent its descriptor.</summary>
/// <param name="source">The main file.</param>
/// <param name="options">Whether it shall be written, and what for.</param>
/// <param name="opened">Extents that are open already, by name; null for none.</param>
internal sealed class VmdkOpening(ImageSource source, ImageOpenOptions options, Dictionary<string, OpenedFile>? opened = null)
{
    private static readonly string[] _typesWithExtentFiles =
        ["monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse", "vmfs", "vmfsSparse", "seSparse"];

    private static readonly string[] _typesInOneFile = ["monolithicSparse", "streamOptimized"];

    private static readonly SearchValues<char> _protocolLetters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    private readonly Dictionary<string, OpenedFile> _opened = opened ?? [];
    private readonly List<IImageFile> _files = [];
    private readonly List<string> _paths = [];
    private readonly List<VmdkExtent> _extents = [];

    // Numbers of the files by their paths, and what extents have of each: a descriptor may have thousands of lines.
    private readonly Dictionary<string, int> _numbers = [];
    private readonly List<RangeSet> _ranges = [];
    private string? _readOnlyReason;

    /// <summary>Opens the image.</summary>
    /// <exception cref="ImageFormatException">It is not as it should be, or shall be written and cannot.</exception>
    public VmdkImage Open()
    {
        VmdkDescriptor? descriptor = SparseOpener.Probe(source.File) ? OpenExtent() : OpenDescriptor();
        VmdkLayout layout = new(_extents);
        ImageInfo info = new(
            VmdkDriver.FormatName, layout.Bytes, layout.ChunkSectors, _files, _paths, BackingOf(descriptor), descriptor?.ContentId, Facts(descriptor, layout))
        {
            File = source.File,
            Path = source.Path,
            ReadOnlyReason = _readOnlyReason ?? layout.ReadOnlyReason,
        };
        return new VmdkImage(source, descriptor, layout, info, options);
    }

    /// <summary>The main file is an extent, perhaps with a descriptor inside.</summary>
    private VmdkDescriptor? OpenExtent()
    {
        CachedFile file = source.File;
        VmdkDescriptor? descriptor = null;
        if (HostedHeader.Probe(file))
        {
            HostedHeader header = HostedHeader.Read(file);
            if (header.DescriptorAt != 0)
            {
                descriptor = VmdkDescriptor.Read(file, (long)header.DescriptorAt * 512, (long)header.DescriptorSectors * 512);
                RequireType(descriptor, _typesInOneFile);
                RequireOneExtent(descriptor, header);
                TakeReasons(descriptor);
            }
        }
        _readOnlyReason ??= descriptor is null ? "it is an extent of a larger image: open the descriptor that names it" : null;
        _extents.Add(SparseOpener.Open(file, AddFile(file, source.Path), options.Unpacked));
        return descriptor;
    }

    /// <summary>The main file is a descriptor.</summary>
    private VmdkDescriptor OpenDescriptor()
    {
        Expect.That(VmdkDescriptor.Probe(source.File), source.File, 0, "a VMDK extent or descriptor", "neither");
        VmdkDescriptor descriptor = VmdkDescriptor.Read(source.File, 0, source.File.Length);
        RequireType(descriptor, _typesWithExtentFiles);
        TakeReasons(descriptor);
        ulong sectors = 0;
        foreach (ExtentLine line in descriptor.Extents)
        {
            sectors += line.Sectors;
            Expect.That(sectors <= VmdkDescriptor.MostSectors, source.File, line.At, $"{VmdkDescriptor.MostSectors} sectors altogether at most", sectors);
            _extents.Add(OpenLine(line));
        }
        Expect.That(_files.Count > 0, source.File, 0, "at least one extent in a file", "none");
        return descriptor;
    }

    private void TakeReasons(VmdkDescriptor descriptor)
    {
        _readOnlyReason = descriptor.ChangeTrackName is not null ? "another program tracks its changes, for backups"
            : descriptor.Extents.Any(line => line.Access == ExtentAccess.ReadOnly) ? "its descriptor says that an extent is only read"
            : descriptor.ContentId is null ? "its descriptor has no CID"
            : null;
        Expect.That(!options.Writable || _readOnlyReason is null, source.File, 0, "an image that can be written", _readOnlyReason ?? "");
    }

    private VmdkExtent OpenLine(ExtentLine line)
    {
        ulong bytes = line.Sectors * 512;
        if (line.Type == ExtentType.Zero)
        {
            return new ZeroExtent(bytes);
        }
        OpenedFile file = OpenNamed(line);
        bool known = _numbers.TryGetValue(file.Path, out int index);
        index = known ? index : AddFile(file.File, file.Path);
        if (line.Type == ExtentType.Flat)
        {
            return Flat(line, file.File, index, bytes);
        }
        Expect.That(!known, source.File, line.At, "a file of its own for a sparse extent", $"{file.Path} a second time");
        SparseExtent extent = SparseOpener.Open(file.File, index, options.Unpacked);
        Expect.That(extent.Bytes == bytes, source.File, line.At, $"as many sectors as the extent's header says, {extent.Bytes / 512}", line.Sectors);
        _ranges[index].TryAdd(0, file.File.Length);
        return extent;
    }

    private FlatExtent Flat(ExtentLine line, CachedFile file, int index, ulong bytes)
    {
        long start = (long)line.FirstSector * 512;
        Expect.That(
            Expect.Inside((ulong)start, bytes, file.Length), source.File, line.At, $"an extent inside the {file.Length} bytes of {file.Name}", $"{bytes} bytes at {start}");
        Expect.That(_ranges[index].TryAdd(start, (long)bytes), source.File, line.At, "extents that do not overlap", $"sector {line.FirstSector} a second time");
        return new FlatExtent(bytes, index, start);
    }

    /// <summary>Opens the file of an extent: one in the image's directory, whatever the opener would allow beyond that.</summary>
    private OpenedFile OpenNamed(ExtentLine line)
    {
        bool plain = line.Name.Length > 0 && line.Name is not ("." or "..") && !line.Name.Contains('/', StringComparison.Ordinal) && !IsPseudoProtocol(line.Name);
        Expect.That(plain, source.File, line.At, "the name of a file in the image's directory", $"'{line.Name}'");
        bool other = line.Name != Path.GetFileName(source.Path);
        Expect.That(other, source.File, line.At, "an extent in another file than the descriptor", $"'{line.Name}'");
        if (!_opened.TryGetValue(line.Name, out OpenedFile file))
        {
            file = source.Opener.OpenNamed(line.Name, source.Path, line.At, options.Writable);
            Expect.That(file.Path != source.Path, source.File, line.At, "an extent in another file than the descriptor", $"'{line.Name}'");
            _opened.Add(line.Name, file);
        }
        return file;
    }

    /// <summary>Whether QEMU would take the name for that of a protocol: letters before a colon.</summary>
    private static bool IsPseudoProtocol(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && name.AsSpan(0, colon).IndexOfAnyExcept(_protocolLetters) < 0;
    }

    private int AddFile(IImageFile file, string path)
    {
        _files.Add(file);
        _paths.Add(path);
        _ranges.Add(new RangeSet(512));
        _numbers.Add(path, _files.Count - 1);
        return _files.Count - 1;
    }

    private void RequireType(VmdkDescriptor descriptor, string[] known) =>
        Expect.That(known.Contains(descriptor.CreateType), source.File, 0, $"a createType of {string.Join(", ", known)}", $"'{descriptor.CreateType}'");

    private void RequireOneExtent(VmdkDescriptor descriptor, HostedHeader header)
    {
        bool one = descriptor.Extents.Count == 1 && descriptor.Extents[0].Type == ExtentType.Sparse;
        Expect.That(one, source.File, (long)header.DescriptorAt * 512, "one sparse extent in the descriptor inside of it", $"{descriptor.Extents.Count} extents");
        ulong sectors = descriptor.Extents[0].Sectors;
        Expect.That(sectors == header.Capacity, source.File, descriptor.Extents[0].At, $"as many sectors as the header says, {header.Capacity}", sectors);
    }

    private BackingReference? BackingOf(VmdkDescriptor? descriptor)
    {
        if (descriptor is null || (descriptor.ParentContentId is null && descriptor.ParentName is null))
        {
            return null;
        }
        Expect.That(descriptor.ParentName is { Length: > 0 }, source.File, 0, "a parentFileNameHint, since there is a parentCID", "none");
        Expect.That(descriptor.ParentContentId is not null, source.File, descriptor.ParentNameAt, "a parentCID, since there is a parentFileNameHint", "none");
        string name = descriptor.ParentName!;
        // A parent that was moved together with its child is found beside it; the CID tells whether it is the one.
        string last = name[(name.LastIndexOfAny(['/', '\\']) + 1)..];
        List<string> names = last.Length == 0 || last == name ? [name] : [name, last];
        return new BackingReference(names, VmdkDriver.FormatName, descriptor.ParentContentId, descriptor.ParentNameAt);
    }

    private static List<KeyValuePair<string, string>> Facts(VmdkDescriptor? descriptor, VmdkLayout layout)
    {
        List<KeyValuePair<string, string>> facts = [];
        if (descriptor is not null)
        {
            facts.Add(new("create type", descriptor.CreateType));
            facts.Add(new("CID", descriptor.ContentId ?? "none"));
            facts.Add(new("parent CID", descriptor.ParentContentId ?? "none"));
        }
        facts.Add(new("extents", $"{layout.Extents.Length}"));
        facts.Add(new("grain size", $"{layout.ChunkSectors * 512UL}"));
        return facts;
    }
}
