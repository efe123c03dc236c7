// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Raw;

namespace Cow.Formats.Tests.Images;

/// <summary>Images of a format for a contract to be held against, in memory.</summary>
internal abstract class ImageFixture
{
    /// <summary>Name of the image's file.</summary>
    protected const string Image = "image";

    /// <summary>Name of the file that it is backed by.</summary>
    protected const string Base = "base";

    /// <summary>Version of a sector that was never written: what the base has there.</summary>
    protected const ulong BaseVersion = 1;

    protected abstract IImageDriver Driver { get; }

    /// <summary>All that is worth trying.</summary>
    protected abstract IReadOnlyList<ImageVariant> Variants { get; }

    /// <summary>Makes an image, and what it is backed by.</summary>
    protected ImageDisk NewDisk(ImageFiles files, ImageVariant variant, string image = Image)
    {
        ImageSource? backing = null;
        if (variant.Backed)
        {
            files.Put(Base, NewBase(variant));
            backing = files.Source(Base, writable: false);
        }
        return Create(files, variant, image, backing);
    }

    protected ImageDisk Create(ImageFiles files, ImageVariant variant, string image, ImageSource? backing)
    {
        foreach (string further in variant.FurtherFiles)
        {
            files.New(further.Replace("{image}", image, StringComparison.Ordinal));
        }
        ImageCreateOptions options = new(variant.DiskBytes, null, variant.SettingsFor(image));
        return new ImageDisk(ImageStack.Create(files.New(image), Driver, options, backing, Options(variant.BackingFormat)));
    }

    protected ImageDisk Open(ImageFiles files, ImageVariant variant, bool writable = true, string image = Image, string? snapshot = null) =>
        new(ImageStack.Open(
            files.Source(image, writable),
            Options(Driver.Name) with { Writable = writable, BackingFormat = variant.Backed ? variant.BackingFormat : null, Snapshot = snapshot }));

    /// <summary>The file of a base: every sector is stamped, but for a hole in the middle.</summary>
    protected byte[] NewBase(ImageVariant variant)
    {
        byte[] content = BaseContent(variant);
        if (variant.BackingFormat == "raw")
        {
            return content;
        }
        MemoryFiles files = new();
        ImageCreateOptions options = new((ulong)content.Length, null, new Dictionary<string, string>());
        using ImageDisk disk = new(ImageStack.Create(files.New(Base), DriverOf(variant.BackingFormat), options));
        for (int at = 0; at < content.Length; at += 65536)
        {
            Span<byte> part = content.AsSpan(at, Math.Min(65536, content.Length - at));
            if (part.ContainsAnyExcept((byte)0))
            {
                disk.Write((ulong)at, part);
            }
        }
        disk.Close();
        return files.Bytes(Base);
    }

    /// <summary>What the base reads.</summary>
    protected static byte[] BaseContent(ImageVariant variant)
    {
        byte[] content = new byte[variant.BackingBytes];
        int sectors = content.Length / 512;
        for (int sector = 0; sector < sectors; sector++)
        {
            if (sector < sectors / 3 || sector > sectors / 2)
            {
                Stamp.Of((ulong)sector, BaseVersion).CopyTo(content, sector * 512);
            }
        }
        return content;
    }

    /// <summary>What a new image reads.</summary>
    protected static byte[] FirstContent(ImageVariant variant)
    {
        byte[] content = new byte[variant.DiskBytes];
        byte[] below = BaseContent(variant);
        below.AsSpan(0, Math.Min(below.Length, content.Length)).CopyTo(content);
        return content;
    }

    protected static byte[] ReadAll(ImageDisk disk)
    {
        byte[] content = new byte[disk.Length];
        disk.Read(0, content);
        return content;
    }

    protected static void RequireEqual(ReadOnlySpan<byte> content, ReadOnlySpan<byte> expected, string what)
    {
        int first = content.CommonPrefixLength(expected);
        if (first < expected.Length || content.Length != expected.Length)
        {
            Assert.Fail($"{what}: {content.Length} bytes, {expected.Length} expected; differ from byte {first} on (sector {first / 512})");
        }
    }

    /// <summary>Our own check finds no error, and no leak either unless those are forgiven.</summary>
    protected static void RequireSound(ImageDisk disk, string what, bool leaks = false)
    {
        CheckReport report = disk.Chain.Check();
        if (report.Errors.Count > 0 || (!leaks && report.Leaks.Count > 0))
        {
            Assert.Fail($"{what}: {string.Join("; ", report.Errors.Concat(report.Leaks).Take(10))}");
        }
    }

    /// <summary>Bytes of a chunk.</summary>
    protected static ulong ChunkBytes(ImageDisk disk) => (ulong)disk.Chain.Info.ChunkSectors * 512;

    protected static ulong Chunks(ImageDisk disk) => (disk.Length + ChunkBytes(disk) - 1) / ChunkBytes(disk);

    protected IImageDriver DriverOf(string format) => Options(format).Find(format)!;

    private ImageStackOptions Options(string format) => new(Format: format) { Drivers = [Driver, new RawDriver()] };
}
