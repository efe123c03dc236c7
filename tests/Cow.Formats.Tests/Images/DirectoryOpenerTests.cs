// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

[TestFixture]
internal sealed class DirectoryOpenerTests
{
    private ScratchFolder _folder = null!;
    private DirectoryOpener? _opener;

    private string ImagePath => _folder.File("images/top");

    [SetUp]
    public void MakeTree()
    {
        _folder = new ScratchFolder();
        foreach (string directory in (string[])["images/below", "images2", "bases/deep"])
        {
            Directory.CreateDirectory(_folder.File(directory));
        }
        foreach (string file in (string[])["images/top", "images/base", "images/below/base", "images2/base", "bases/deep/base", "secret"])
        {
            File.WriteAllText(_folder.File(file), file);
        }
        File.WriteAllText(_folder.File("images/empty"), "");
        File.CreateSymbolicLink(_folder.File("images/link"), "base");
        File.CreateSymbolicLink(_folder.File("images/way-out"), "../secret");
        File.CreateSymbolicLink(_folder.File("images/way-nowhere"), "../nothing");
        File.CreateSymbolicLink(_folder.File("images/up"), _folder.File("images2"));
        File.CreateSymbolicLink(_folder.File("images/circle"), "circle");
        File.CreateSymbolicLink(_folder.File("linked-top"), "images/top");
    }

    [TearDown]
    public void RemoveTree()
    {
        _opener?.Dispose();
        _opener = null;
        _folder.Dispose();
    }

    [TestCase("base", "images/base")]
    [TestCase("./base", "images/base")]
    [TestCase("link", "images/base")]
    [TestCase("below/../base", "images/base")]
    [TestCase("../images/base", "images/base")]
    public void AFileBesideTheImageIsOpened(string name, string file)
    {
        OpenedFile opened = Open(name);
        Assert.That(opened.Path, Is.EqualTo(new RealPath().Of(_folder.File(file))));
        byte[] text = new byte[file.Length];
        opened.File.ReadAt(text, 0);
        Assert.That(System.Text.Encoding.UTF8.GetString(text), Is.EqualTo(file));
    }

    [TestCase("below/base", "lies elsewhere")]
    [TestCase("../images2/base", "lies elsewhere")]
    [TestCase("up/base", "lies elsewhere")]
    [TestCase("up/../images/base", "lies elsewhere")]
    [TestCase("up/../base", "or a link that leads elsewhere")]
    [TestCase("base/../base", "not there")]
    [TestCase("../secret", "lies elsewhere")]
    [TestCase("../nothing", "lies elsewhere")]
    [TestCase("way-out", "or a link that leads elsewhere")]
    [TestCase("way-nowhere", "or a link that leads elsewhere")]
    [TestCase("/etc/passwd", "lies elsewhere")]
    [TestCase("/nothing/there", "lies elsewhere")]
    [TestCase("/proc/self/cwd/x", "lies elsewhere")]
    [TestCase("nothing", "not there")]
    [TestCase("circle", "not there")]
    [TestCase("empty", "cannot be opened")]
    [TestCase("below", "cannot be opened")]
    [TestCase("", "no name")]
    [TestCase("base\0", "no name")]
    [TestCase("json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}", "protocol")]
    [TestCase("nbd:localhost:10809", "protocol")]
    [TestCase("fd:3", "protocol")]
    [TestCase("file:base", "protocol")]
    [TestCase("base:", "protocol")]
    public void AnythingElseIsRefused(string name, string reason)
    {
        Assert.That(() => Open(name), Throws.InstanceOf<ImageFormatException>()
            .With.Message.Contains(reason).And.Message.Contains("--backing-dir").And.Property("Offset").EqualTo(77));
    }

    [TestCase("../bases/deep/base", true)]
    [TestCase("../images2/base", false)]
    [TestCase("../secret", false)]
    public void WhatLiesBelowAnAllowedDirectoryIsOpened(string name, bool allowed)
    {
        // A directory whose name begins alike is another one.
        _opener = new DirectoryOpener(new MetadataCache(), [_folder.File("bases"), _folder.File("images")]);
        if (allowed)
        {
            Assert.That(() => Open(name), Throws.Nothing);
            Assert.That(() => Open(_folder.File("images/below/base")), Throws.Nothing);
        }
        else
        {
            Assert.That(() => Open(name), Throws.InstanceOf<ImageFormatException>());
        }
    }

    [Test]
    public void APipeIsRefusedAndNotWaitedFor()
    {
        using Process mkfifo = Process.Start("mkfifo", [_folder.File("images/pipe")]);
        mkfifo.WaitForExit();
        Assert.That(() => Open("pipe"), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void TwoNamesOfAFileAreOneFile()
    {
        Assert.That(Open("link").File, Is.SameAs(Open("base").File));
        Assert.That(() => Open("base", writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("in use"));
    }

    [Test]
    public void WhatIsWrittenHasNoSecondUser()
    {
        Open("base", writable: true);
        Assert.That(() => Open("link"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("in use"));
    }

    /// <summary>For a repair behind the last close. What was opened to be read only is not written, and the image itself is nobody's data file.</summary>
    [Test]
    public void WhatAClosedImageNamedIsOpenedOnceMoreAsItIsOpen()
    {
        OpenedFile written = Open("base", writable: true);
        string image = new RealPath().Of(ImagePath);
        _opener!.OpenGiven(ImagePath, writable: true);
        _opener.Release(image);
        Assert.That(Open("base", writable: true), Is.EqualTo(written));
        Assert.That(() => Open("base"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("in use"));
        Assert.That(() => Open("top"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("in use"));
    }

    [Test]
    public void ANewFileLiesBesideItsImage()
    {
        _opener = new DirectoryOpener(new MetadataCache(), []);
        OpenedFile made = _opener.CreateNamed("new", new RealPath().Of(ImagePath));
        Assert.That(made.Path, Is.EqualTo(new RealPath().Of(_folder.File("images/new"))));
        made.File.WriteAt(new byte[512], 0);
        Assert.That(new FileInfo(made.Path).Length, Is.EqualTo(512));
        Assert.That(() => _opener.CreateNamed("base", new RealPath().Of(ImagePath)), Throws.InstanceOf<IOException>(), "it is there already");
        Assert.That(() => _opener.CreateNamed("../secret", new RealPath().Of(ImagePath)), Throws.Nothing, "only the name counts");
        Assert.That(File.ReadAllText(_folder.File("secret")), Is.EqualTo("secret"));
    }

    [Test]
    public void TheUserMayNameAnyFile()
    {
        _opener = new DirectoryOpener(new MetadataCache(), []);
        Assert.That(_opener.OpenGiven(_folder.File("linked-top"), writable: false).Path, Is.EqualTo(new RealPath().Of(ImagePath)));
        Assert.That(() => _opener.OpenGiven(_folder.File("nothing"), writable: false), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void TheCallerOpensTheFiles()
    {
        List<(string, bool)> asked = [];
        _opener = new DirectoryOpener(new MetadataCache(), [], (path, writable) =>
        {
            asked.Add((path, writable));
            return new MemoryImageFile();
        });
        OpenedFile opened = Open("link", writable: true);
        Assert.That(opened.File.Uncached, Is.InstanceOf<MemoryImageFile>());
        Assert.That(asked, Is.EqualTo(new[] { (new RealPath().Of(_folder.File("images/base")), true) }));
    }

    [Test]
    public void WhereALinkLeadsIsNotTold()
    {
        string Refusal(string name) => Assert.Throws<ImageFormatException>(() => Open(name))!.Message.Replace(name, "", StringComparison.Ordinal);
        Assert.That(Refusal("way-out"), Is.EqualTo(Refusal("way-nowhere")).And.Not.Contain("secret"));
    }

    [Test]
    public void ALinkPutThereMeanwhileIsNotFollowed()
    {
        _opener = new DirectoryOpener(new MetadataCache(), [], (path, writable) =>
        {
            File.Delete(path);
            File.CreateSymbolicLink(path, _folder.File("secret"));
            return DirectoryOpener.OpenRegularFile(path, writable);
        });
        Assert.That(() => Open("base"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("became another file"));
    }

    [Test]
    public void NamesMayBeginAsTheirImageOrAnAllowedDirectoryIsWritten()
    {
        Directory.CreateSymbolicLink(_folder.File("spelled"), "images");
        Directory.CreateSymbolicLink(_folder.File("given"), "bases");
        Assert.That(() => Open(_folder.File("spelled/base")), Throws.InstanceOf<ImageFormatException>());
        _opener!.OpenGiven(_folder.File("spelled/top"), writable: false);
        Assert.That(() => Open(_folder.File("spelled/base")), Throws.Nothing);
        Assert.That(() => Open(_folder.File("spelled/link")), Throws.Nothing);
        Assert.That(() => Open(_folder.File("spelled/way-out")), Throws.InstanceOf<ImageFormatException>());

        _opener = new DirectoryOpener(new MetadataCache(), [_folder.File("given/")]);
        Assert.That(() => Open(_folder.File("given/deep/base")), Throws.Nothing);
    }

    /// <summary>Where a link to the image lies is not where the image lies.</summary>
    [Test]
    public void NothingBesideALinkToTheImageIsOpened()
    {
        _opener = new DirectoryOpener(new MetadataCache(), []);
        _opener.OpenGiven(_folder.File("linked-top"), writable: false);
        Assert.That(() => Open(_folder.File("secret")), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Open("base"), Throws.Nothing);
    }

    /// <summary>As /dev/vg has links to its volumes, which lie beside all disks of the host.</summary>
    [TestCase("0", true)]
    [TestCase("0/../null", false)]
    [TestCase("shm/../null", false)]
    [TestCase("../null", false)]
    public void ALinkToADeviceAllowsThatDeviceAlone(string name, bool allowed)
    {
        string directory = $"/dev/dm-cow-test-{Environment.ProcessId}";
        Assume.That(Environment.IsPrivilegedProcess, "only root makes links below /dev");
        Directory.CreateDirectory(directory);
        try
        {
            File.CreateSymbolicLink(directory + "/0", "../zero");
            Directory.CreateSymbolicLink(directory + "/shm", "../shm");
            _opener = new DirectoryOpener(new MetadataCache(), [directory], static (_, _) => new MemoryFile(512));
            Assert.That(() => Open($"{directory}/{name}"), allowed ? Throws.Nothing : Throws.InstanceOf<ImageFormatException>());
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Test]
    public void AnImageOnADeviceNamesNothingBesideIt()
    {
        _opener = WithDevices([_folder.File("bases")], "images/top");
        _opener.OpenGiven(ImagePath, writable: false);
        Assert.That(() => Open("base"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("lies elsewhere").And.Message.Contains("--backing-dir"));
        Assert.That(() => Open("base", writable: true), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Open("link"), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Open("../bases/deep/base"), Throws.Nothing);
    }

    [Test]
    public void AFileThatTheUserNamedIsOpenedWhereverItLies()
    {
        _opener = WithDevices([], "images/top", "images/base");
        _opener.OpenGiven(ImagePath, writable: false);
        _opener.Allow(_folder.File("images/base"));
        _opener.Allow(_folder.File("nothing"));
        Assert.That(() => Open("base"), Throws.Nothing);
        Assert.That(() => Open("link"), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Open("../nothing"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("not there"));
    }

    /// <summary>Links of an image's directory can lead to each other, each by thousands of names: the whole way is gone once, and not for every name of an image.</summary>
    [Test]
    public void ALinkIsFollowedOnce()
    {
        Directory.CreateDirectory(_folder.File("a"));
        File.CreateSymbolicLink(_folder.File("first"), "a/../second");
        File.CreateSymbolicLink(_folder.File("second"), "a/../a");
        RealPath paths = new();
        string real = paths.Of(_folder.File("a"));
        Assert.That(paths.Of(_folder.File("first")), Is.EqualTo(real));
        File.Delete(_folder.File("second"));
        Assert.That(paths.Of(_folder.File("first")), Is.EqualTo(real));
        Assert.That(() => new RealPath().Of(_folder.File("first")), Throws.InstanceOf<IOException>());
    }

    /// <summary>As hard links are.</summary>
    [Test]
    public void TwoNamesOfOneFileAreOneFile()
    {
        _opener = new DirectoryOpener(new MetadataCache(), [], identity: static path => Path.GetFileName(path) == "link-2" ? "base" : Path.GetFileName(path));
        File.WriteAllText(_folder.File("images/link-2"), "another name");
        OpenedFile opened = Open("base");
        Assert.That(Open("link-2"), Is.EqualTo(opened));
        Assert.That(() => Open("link-2", writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("in use already"));
    }

    [Test]
    public void ManyLinksInARowAreRefused([Values(40, 41)] int count)
    {
        for (int i = 0; i < count; i++)
        {
            File.CreateSymbolicLink(_folder.File($"link{i}"), i == 0 ? "secret" : $"link{i - 1}");
        }
        string last = _folder.File($"link{count - 1}");
        Assert.That(() => new RealPath().Of(last), count == 40 ? Throws.Nothing : Throws.InstanceOf<IOException>().With.Message.Contains("too many links"));
    }

    [Test]
    public void ADeviceIsOpenedBelowAnAllowedDirectoryOnly()
    {
        _opener = WithDevices([_folder.File("bases")], "images/base", "bases/deep/base");
        Assert.That(() => Open("base"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("is a device").And.Message.Contains("--backing-dir"));
        Assert.That(() => Open("base"), Throws.InstanceOf<ImageFormatException>(), "the second time too");
        Assert.That(() => Open("../bases/deep/base"), Throws.Nothing);
    }

    [TestCase(23)]
    [TestCase(24)]
    public void TooManyOpenFilesAreNoFaultOfTheImage(int number)
    {
        _opener = new DirectoryOpener(new MetadataCache(), [], (_, _) => throw new IOException("too many", number));
        Assert.That(() => Open("base"), Throws.TypeOf<IOException>().With.Property("HResult").EqualTo(number));
    }

    [Test]
    public void ALongOrBinaryNameIsShownOnALine()
    {
        string message = Assert.Throws<ImageFormatException>(() => Open("a\u001b[2J\n" + new string('x', 5000)))!.Message;
        Assert.That(message, Does.Contain("'a?[2J?xxx").And.Not.Contain("\u001b").And.Length.LessThan(1000));
        Assert.That(message.Split('\n'), Has.Length.EqualTo(1));
    }

    /// <summary>An opener to which some files are devices.</summary>
    private DirectoryOpener WithDevices(string[] allowed, params string[] devices) => new(new MetadataCache(), allowed, (path, writable) =>
        devices.Any(device => path == new RealPath().Of(_folder.File(device))) ? new MemoryFile(512) : DirectoryOpener.OpenRegularFile(path, writable));

    private OpenedFile Open(string name, bool writable = false)
    {
        _opener ??= new DirectoryOpener(new MetadataCache(), []);
        return _opener.OpenNamed(name, new RealPath().Of(ImagePath), 77, writable);
    }
}
