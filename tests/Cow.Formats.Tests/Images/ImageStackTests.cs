// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Raw;
using Cow.Formats.Io;
using Cow.Formats.Tests.Images.Toy;

namespace Cow.Formats.Tests.Images;

[TestFixture]
internal sealed class ImageStackTests
{
    private readonly MemoryFiles _files = new();

    private static ImageStackOptions Options => new() { Drivers = [new StubDriver(), new ToyDriver(), new RawDriver()] };

    [Test]
    public void AChainIsOpenedToItsEnd()
    {
        Put("a", new BackingReference(["b"], "stub", null, 0));
        Put("b", new BackingReference(["c"], "raw", null, 0));
        _files.Put("c", new byte[700]);
        using ImageChain chain = Open("a");
        Assert.That(string.Join(' ', chain.Images.Select(i => i.Info.Format)), Is.EqualTo("stub stub raw"));
        Assert.That(string.Join(' ', chain.LayerPaths), Is.EqualTo("/mem/b /mem/c"));
    }

    [Test]
    public void AChainKeepsOneUnpackedChunkAndSharesItWithNoOther()
    {
        Put("a", new BackingReference(["b"], "stub", null, 0));
        Put("b", null);
        ImageStackOptions options = Options;
        StubDriver.Unpacked.Clear();
        Open("a", options).Dispose();
        Assert.That(StubDriver.Unpacked, Has.Count.EqualTo(2));
        Assert.That(StubDriver.Unpacked.Distinct().Count(), Is.EqualTo(1));
        Open("b", options).Dispose();
        Assert.That(StubDriver.Unpacked.Distinct().Count(), Is.EqualTo(2));
    }

    [Test]
    public void ALoopIsRefused()
    {
        Put("self", new BackingReference(["self"], "stub", null, 33));
        Put("a", new BackingReference(["b"], "stub", null, 0));
        Put("b", new BackingReference(["/mem/a"], "stub", null, 0));
        Assert.That(() => Open("self"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("loop").And.Property("Offset").EqualTo(33));
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("loop"));
        Assert.That(StubDriver.Open, Is.Zero, "what was opened is closed again");
    }

    /// <summary>Where what it is backed by cannot be opened, so that it is refused.</summary>
    [TestCase("qcow", false)]
    [TestCase("qcow2", true, "lazy_refcounts=on")]
    [TestCase("vmdk", true)]
    [TestCase("vhd", false)]
    [TestCase("vhdx", true)]
    public void AnImageWithoutWhatItIsBackedByIsNotWritten(string format, bool isElse, params string[] settings)
    {
        IImageDriver driver = ImageRegistry.All.Single(d => d.Name == format);
        Dictionary<string, string> all = settings.ToDictionary(static s => s.Split('=')[0], static s => s.Split('=')[1]);
        ImageStack.Create(_files.New("base"), driver, new ImageCreateOptions(1 << 20, null, all)).Close();
        using (ImageChain chain = ImageStack.Create(_files.New("top"), driver, new ImageCreateOptions(0, null, all), _files.Source("base", writable: false), new ImageStackOptions(Format: format)))
        {
            chain.Close();
        }
        byte[] before = _files.Bytes("top");
        MemoryFiles alone = new();
        alone.Put("top", [.. before]);
        Assert.That(() => ImageStack.Open(alone.Source("top"), new ImageStackOptions(Writable: true)), Throws.InstanceOf<ImageFormatException>());
        Assert.That(alone.Bytes("top").AsSpan().SequenceEqual(before), Is.True);
        alone.Put("base", _files.Bytes("base"));
        using ImageChain whole = ImageStack.Open(alone.Source("top"), new ImageStackOptions(Writable: true));
        Assert.That(alone.Bytes("top").AsSpan().SequenceEqual(before), Is.EqualTo(!isElse));
    }

    [TestCase(ImageStack.MostImages, true)]
    [TestCase(ImageStack.MostImages + 1, false)]
    public void AChainIsSoDeepAndNoDeeper(int images, bool opens)
    {
        for (int i = 0; i < images; i++)
        {
            Put($"{i}", i + 1 < images ? new BackingReference([$"{i + 1}"], "stub", null, 0) : null);
        }
        if (opens)
        {
            using ImageChain chain = Open("0");
            Assert.That(chain.Images, Has.Count.EqualTo(images));
        }
        else
        {
            Assert.That(() => Open("0"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("64"));
        }
    }

    [Test]
    public void RawIsNeverGuessed()
    {
        Put("a", new BackingReference(["b"], null, null, 0));
        _files.Put("b", new byte[4096]);
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("--backing-format"));
        using ImageChain chain = Open("a", Options with { BackingFormat = "raw" });
        Assert.That(chain.Images[1].Info.Format, Is.EqualTo("raw"));
        Assert.That(() => ImageStack.Open(_files.Source("b"), Options), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("raw"));
    }

    [Test]
    public void AGuessedImageNamesNoFurtherFile()
    {
        Put("lone", null);
        Put("a", new BackingReference(["lone"], null, null, 0));
        using (ImageChain chain = Open("a"))
        {
            Assert.That(chain.Images, Has.Count.EqualTo(2));
        }
        Put("lone", new BackingReference(["secret"], "raw", null, 5));
        _files.Put("secret", new byte[512]);
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("--backing-format").And.Property("File").EqualTo("/mem/lone"));
        using ImageChain said = Open("a", Options with { BackingFormat = "stub" });
        Assert.That(said.Images, Has.Count.EqualTo(3));
        Put("lone", null, opens: "secret");
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("--backing-format"));
    }

    [Test]
    public void AnUnknownFormatIsNamed()
    {
        Put("a", new BackingReference(["b"], "vdi", null, 9));
        Put("b", null);
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("'vdi'").And.Property("Offset").EqualTo(9));
        Assert.That(() => Open("a", Options with { Format = "vdi" }), Throws.ArgumentException.With.Message.Contains("'vdi'"));
    }

    [Test]
    public void AParentOfAnotherIdentityIsRefused()
    {
        Put("a", new BackingReference(["b"], "stub", "1234", 11));
        Put("b", null, identity: "1234");
        Open("a").Dispose();
        Put("b", null, identity: "5678");
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("1234").And.Message.Contains("5678"));
        Put("b", null);
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void NamesAreTriedInTheirOrder()
    {
        Put("a", new BackingReference(["gone", "c", "b"], "stub", null, 0));
        Put("b", null);
        Put("c", null);
        using (ImageChain chain = Open("a"))
        {
            Assert.That(string.Join(' ', chain.LayerPaths), Is.EqualTo("/mem/c"));
        }
        Put("a", new BackingReference(["best", "worse"], "stub", null, 0));
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("best"));
        Put("a", new BackingReference([], "stub", null, 0));
        Assert.That(() => Open("a"), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void ANewImageNamesItsBackingImage()
    {
        _files.Put("base", [.. Enumerable.Repeat((byte)9, 10_000)]);
        ToyDriver toy = new();
        ImageCreateOptions options = new(0, null, new Dictionary<string, string>());
        using (ImageChain chain = ImageStack.Create(_files.New("new"), toy, options, _files.Source("base"), Options with { Format = "raw" }))
        {
            Assert.That(chain.Info.VirtualSize, Is.EqualTo(10_240), "the size of the base, in whole sectors");
            Assert.That(string.Join(' ', chain.Images[0].Info.Backing!.Names), Is.EqualTo("base"));
            byte[] data = new byte[10_240];
            chain.ReadAt(0, data);
            Assert.That(data[..10_000], Is.All.EqualTo(9));
            Assert.That(data[10_000..], Is.All.Zero);
        }
        ImageSource elsewhere = _files.Source("base") with { Path = "/other/base" };
        using ImageChain far = ImageStack.Create(_files.New("far"), toy, options, elsewhere, Options with { Format = "raw" });
        Assert.That(string.Join(' ', far.Images[0].Info.Backing!.Names), Is.EqualTo("/other/base"));
    }

    /// <summary>QEMU opens the overlay afterwards.</summary>
    [Test]
    public void ABackingFormatHasTheNameThatQemuKnows()
    {
        Put("base", null);
        Put("a", new BackingReference(["base"], "bats", null, 0));
        Open("a").Dispose();
        RecordingDriver made = new();
        ImageCreateOptions options = new(512, null, new Dictionary<string, string>());
        Assert.That(() => ImageStack.Create(_files.New("new"), made, options, _files.Source("base"), Options), Throws.InstanceOf<NotSupportedException>());
        Assert.That(made.Backing!.Format, Is.EqualTo("bats"));
    }

    [TestCase(512, 512)]
    [TestCase(1, 512)]
    [TestCase(4095, 4096)]
    [TestCase(5000, 5120)]
    public void ARawImageIsRoundedUpWithZeros(int length, int bytes)
    {
        _files.Put("raw", [.. Enumerable.Repeat((byte)1, length)]);
        using ImageChain chain = ImageStack.Open(_files.Source("raw"), Options with { Format = "raw" });
        Assert.That(chain.Info.VirtualSize, Is.EqualTo((ulong)bytes));
        byte[] data = new byte[bytes];
        chain.ReadAt(0, data);
        Assert.That(data[..length], Is.All.EqualTo(1));
        Assert.That(data[length..], Is.All.Zero);
        // No loop device reaches a part of a sector.
        Assert.That(chain.Lookup((ulong)(bytes - 1) / 4096, 1).Kind, Is.EqualTo(length % 512 == 0 ? ExtentKind.Overlay : ExtentKind.Opaque));
    }

    [Test]
    public void ARawImageIsNotWritten()
    {
        _files.Put("raw", new byte[512]);
        Assert.That(() => ImageStack.Open(_files.Source("raw"), Options with { Format = "raw", Writable = true }), Throws.ArgumentException);
        Assert.That(() => new RawDriver().Create(_files.Source("raw"), new ImageCreateOptions(512, null, new Dictionary<string, string>())), Throws.ArgumentException);
        Assert.That(new RawDriver().Probe(_files.Source("raw").File), Is.False);
        _files.Put("raw", []);
        Assert.That(() => ImageStack.Open(_files.Source("raw"), Options with { Format = "raw" }), Throws.InstanceOf<ImageFormatException>());
    }

    private ImageChain Open(string name, ImageStackOptions? options = null) => ImageStack.Open(_files.Source(name), options ?? Options);

    /// <summary>Puts a stub image there.</summary>
    private void Put(string name, BackingReference? backing, string? identity = null, string? opens = null)
    {
        StubDriver.Images["/mem/" + name] = (backing, identity, opens);
        _files.Put(name, [.. "STUB"u8, .. new byte[508]]);
    }

    /// <summary>A format whose images are what the test says.</summary>
    private sealed class StubDriver : IImageDriver
    {
        public static Dictionary<string, (BackingReference? Backing, string? Identity, string? Opens)> Images { get; } = [];

        public static int Open => Opened.Count(image => !image.Disposed);

        /// <summary>What each image was given to keep what it unpacks.</summary>
        public static List<object> Unpacked { get; } = [];

        private static List<StubImage> Opened { get; } = [];

        public string Name => "stub";

        public string QemuName => "bats";

        public bool Probe(IImageFile file)
        {
            byte[] magic = new byte[4];
            file.ReadAt(magic, 0);
            return magic.AsSpan().SequenceEqual("STUB"u8);
        }

        IDiskImage IImageDriver.Open(ImageSource source, ImageOpenOptions options)
        {
            (BackingReference? backing, string? identity, string? opens) = Images[source.Path];
            if (opens is not null)
            {
                source.Opener.OpenNamed(opens, source.Path, 0, writable: false);
            }
            StubImage image = new([(ImageExtentKind.Below, 0)], source.File, 1, 1);
            image = new StubImage([(ImageExtentKind.Below, 0)], source.File, 1, 1)
            {
                Info = image.Info with { Paths = [source.Path], Backing = backing, Identity = identity },
            };
            Opened.Add(image);
            Unpacked.Add(options.Unpacked);
            return image;
        }

        public IDiskImage Create(ImageSource source, ImageCreateOptions options) => throw new NotSupportedException();
    }

    /// <summary>Makes nothing, and tells what it was asked for.</summary>
    private sealed class RecordingDriver : IImageDriver
    {
        public BackingReference? Backing { get; private set; }

        public string Name => "recording";

        public bool Probe(IImageFile file) => false;

        public IDiskImage Open(ImageSource source, ImageOpenOptions options) => throw new NotSupportedException();

        public IDiskImage Create(ImageSource source, ImageCreateOptions options)
        {
            Backing = options.Backing;
            throw new NotSupportedException();
        }
    }
}
