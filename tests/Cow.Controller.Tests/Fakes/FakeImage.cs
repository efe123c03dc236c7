// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A disk image in the CoW disk, with chunks of 4 KiB, over the base.</summary>
internal sealed class FakeImage(string format, KillableFile store, MemoryDisk below) : IImageOpener
{
    private const string Home = "/fake/";

    private readonly MetadataCache _cache = new(1 << 20);

    public ImageChain Open(bool create, ulong bytes)
    {
        var image = new ImageSource(new CachedFile(store, _cache), Home + store.Name, this);
        if (!create)
        {
            return ImageStack.Open(image, new ImageStackOptions(Writable: true, format));
        }

        var settings = new Dictionary<string, string> { ["cluster_size"] = "4K" };
        OpenedFile backing = OpenNamed(below.Name, image.Path, 0, writable: false);
        return ImageStack.Create(
            image,
            ImageRegistry.Find(format)!,
            new ImageCreateOptions(bytes, null, settings),
            new ImageSource(backing.File, backing.Path, this),
            new ImageStackOptions(Format: "raw"));
    }

    public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable) => new(new CachedFile(below, _cache), Home + below.Name);
}
