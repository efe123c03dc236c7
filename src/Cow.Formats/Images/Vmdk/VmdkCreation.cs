// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Makes an empty VMDK image: in one file, or as a descriptor with extents beside it.</summary>
internal sealed class VmdkCreation
{
    /// <summary>Bytes of an extent at most, where the image is split.</summary>
    private const ulong SplitBytes = 1UL << 31;

    /// <summary>Bytes of a sparse extent at most, so that its last grain has a sector number of 32 bits even when all are placed.</summary>
    private const ulong MostSparseBytes = (1UL << 41) - (1UL << 33);

    private readonly ImageSource _source;
    private readonly VmdkSettings _settings;
    private readonly ulong _bytes;
    private readonly uint _parentId = VmdkDescriptor.NoParent;
    private readonly string? _parentName;
    private readonly Dictionary<string, OpenedFile> _extents = [];

    /// <summary>Judges the options.</summary>
    /// <exception cref="ArgumentException">VMDK does not take them.</exception>
    public VmdkCreation(ImageSource source, ImageCreateOptions options)
        : this(source, options, VmdkSettings.Read(options.Settings))
    {
    }

    /// <summary>Judges the options, of which the settings are read already.</summary>
    /// <exception cref="ArgumentException">VMDK does not take them.</exception>
    public VmdkCreation(ImageSource source, ImageCreateOptions options, VmdkSettings settings)
    {
        _source = source;
        _settings = settings;
        _bytes = options.VirtualBytes;
        ulong most = _settings.IsSplit ? SplitBytes * VmdkDescriptor.MostExtents : _settings.IsFlat ? long.MaxValue / 2 : MostSparseBytes;
        Demand(_bytes > 0 && _bytes % 512 == 0 && _bytes <= most, $"a disk of {_bytes} bytes; {_settings.Subformat} takes whole sectors, {most} bytes at most");
        Demand(source.File.CanGrow, "VMDK takes its space behind the end of a file, and this is a device");
        if (options.Backing is { } backing)
        {
            Demand(!_settings.IsFlat, $"{_settings.Subformat} has no parent");
            bool known = uint.TryParse(backing.Identity, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _parentId);
            Demand(known && backing.Format == VmdkDriver.FormatName, "the parent of a VMDK image must be a VMDK image with a CID");
            _parentName = backing.Names[0];
            Demand(_parentName.Length <= 1023 && !_parentName.Contains('"', StringComparison.Ordinal) && !_parentName.Any(char.IsControl), $"the name '{_parentName}' does not fit a descriptor");
        }
    }

    /// <summary>Makes the files. Durable on return.</summary>
    /// <returns>The extents in files of their own, by name.</returns>
    public Dictionary<string, OpenedFile> Run()
    {
        string file = Path.GetFileName(_source.Path);
        if (_settings is { IsFlat: false, IsSplit: false, IsCowd: false })
        {
            byte[] text = Descriptor([SparseLine(file)]);
            HostedCreation.Write(_source.File, _bytes / 512, _settings.Zeroed, text);
            return _extents;
        }
        List<string> lines = [];
        ulong step = _settings.IsSplit ? SplitBytes : _bytes;
        for (ulong start = 0; start < _bytes; start += step)
        {
            lines.Add(AddExtent(file, lines.Count + 1, Math.Min(step, _bytes - start)));
        }
        byte[] descriptor = Descriptor(lines);
        // In whole sectors, and then to the end of the text: that is where readers stop.
        byte[] padded = new byte[(descriptor.Length + 511) / 512 * 512];
        descriptor.CopyTo(padded, 0);
        _source.File.WriteAt(padded, 0);
        _source.File.SetLength(descriptor.Length);
        _source.File.Flush();
        return _extents;
    }

    /// <summary>Begins a streamOptimized image, for which the options are meant.</summary>
    public VmdkStream Stream() => new(_source.File.Uncached, _bytes / 512, Descriptor([SparseLine(Path.GetFileName(_source.Path))]));

    private string SparseLine(string file) => $"RW {_bytes / 512} SPARSE \"{file}\"";

    private string AddExtent(string file, int number, ulong bytes)
    {
        string name = NameOf(Path.GetFileNameWithoutExtension(file), number);
        OpenedFile extent = _source.Opener.CreateNamed(name, _source.Path);
        _extents.Add(name, extent);
        if (_settings.IsFlat)
        {
            extent.File.SetLength((long)bytes);
            extent.File.Flush();
            return _settings.IsVmfs ? $"RW {bytes / 512} VMFS \"{name}\"" : $"RW {bytes / 512} FLAT \"{name}\" 0";
        }
        if (_settings.IsCowd)
        {
            CowdHeader.WriteEmpty(extent.File, (uint)(bytes / 512));
            return $"RW {bytes / 512} VMFSSPARSE \"{name}\"";
        }
        HostedCreation.Write(extent.File, bytes / 512, _settings.Zeroed, null);
        return $"RW {bytes / 512} SPARSE \"{name}\"";
    }

    private string NameOf(string stem, int number) => _settings.Subformat switch
    {
        "monolithicFlat" or "vmfs" => $"{stem}-flat.vmdk",
        "vmfsSparse" => $"{stem}-delta.vmdk",
        "twoGbMaxExtentFlat" => $"{stem}-f{number:d3}.vmdk",
        _ => $"{stem}-s{number:d3}.vmdk",
    };

    private byte[] Descriptor(List<string> extents)
    {
        Demand(extents.TrueForAll(line => line.Count(c => c == '"') == 2 && !line.Any(char.IsControl)), "the name of the image does not fit a descriptor");
        ulong heads = _settings.Adapter == "ide" ? 16u : 255u;
        List<string> lines =
        [
            "# Disk DescriptorFile",
            "version=1",
            $"CID={RandomNumberGenerator.GetInt32(int.MaxValue):x8}",
            $"parentCID={_parentId:x8}",
            $"createType=\"{_settings.Subformat}\"",
        ];
        if (_parentName is not null)
        {
            lines.Add($"parentFileNameHint=\"{_parentName}\"");
        }
        lines.AddRange(["", "# Extent description"]);
        lines.AddRange(extents);
        lines.AddRange(
        [
            "",
            "# The Disk Data Base",
            "#DDB",
            "",
            $"ddb.virtualHWVersion = \"{_settings.HardwareVersion}\"",
            $"ddb.geometry.cylinders = \"{_bytes / 512 / (heads * 63)}\"",
            $"ddb.geometry.heads = \"{heads}\"",
            "ddb.geometry.sectors = \"63\"",
            $"ddb.adapterType = \"{_settings.Adapter}\"",
            "",
        ]);
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }

    private static void Demand(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new ArgumentException(sentence);
        }
    }
}
