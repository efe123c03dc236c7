// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Malformed and malicious images, each with the verdict that it deserves.</summary>
[TestFixture]
internal sealed class HostileImagesTests
{
    /// <summary>Bytes that are read or written of one image at most: large disks are met at their ends and where they hold something.</summary>
    private const ulong MostBytes = 64 << 20;

    private static readonly Dictionary<string, string> FormatOf = new()
    {
        ["qcow1"] = "qcow", ["qcow2"] = "qcow2", ["vmdk"] = "vmdk", ["vhd"] = "vhd", ["vhdx"] = "vhdx",
    };

    private static IEnumerable<TestCaseData> Manifest() => TestImages.Table("hostile/manifest.tsv")
        .Where(row => FormatOf.ContainsKey(row[0].Split('-')[0]))
        .Select(row => new TestCaseData(row[0], row[1], row[2]) { TestName = $"GetsItsVerdict({row[0]})" })
        .DefaultIfEmpty(new TestCaseData("", "", "") { TestName = "GetsItsVerdict(no images)" });

    [TestCaseSource(nameof(Manifest))]
    public void GetsItsVerdict(string name, string what, string expected)
    {
        using ScratchFolder folder = new();
        folder.Unpack(TestImages.Folder("hostile"), name.Contains("loop", StringComparison.Ordinal) ? "qcow2-backing-loop*" : name);
        string format = FormatOf[name.Split('-')[0]];
        if (ImageRegistry.Find(format) is null)
        {
            Assert.Ignore($"no format {format} yet");
        }
        HostileVerdict verdict = HostileVerdicts.Of(expected);
        Limits.Run(3, step => Judge(step, folder.File(name), format, verdict), step => $"{name} ({what}), step {step}");
    }

    private static void Judge(int step, string path, string format, HostileVerdict verdict)
    {
        byte[] before = File.ReadAllBytes(path);
        switch (step)
        {
            case 0:
                JudgeReading(path, format, verdict);
                Assert.That(File.ReadAllBytes(path).AsSpan().SequenceEqual(before), Is.True, "who reads does not write");
                break;
            case 1:
                JudgeSnapshots(path, format, verdict);
                break;
            default:
                JudgeWriting(path, format, verdict);
                break;
        }
    }

    private static void JudgeReading(string path, string format, HostileVerdict verdict)
    {
        ImageFormatException? refusal = Refusal(path, format, writable: false, chain =>
        {
            Assert.That(verdict.HasFlag(HostileVerdict.NeverOpens), Is.False, "it opens");
            CheckReport report = chain.Check();
            if (verdict.HasFlag(HostileVerdict.Found))
            {
                Assert.That(report.Errors, Is.Not.Empty, "the check finds nothing wrong");
            }
            if (verdict.HasFlag(HostileVerdict.Clean))
            {
                Assert.That(report.Errors, Is.Empty);
            }
            ReadAll(chain);
        });
        Assert.That(refusal, verdict.HasFlag(HostileVerdict.Reads) ? Is.Null : Is.Null.Or.Not.Null);
        if ((verdict & (HostileVerdict.NotRead | HostileVerdict.NeverOpens)) != 0)
        {
            Assert.That(refusal, Is.Not.Null, "it can be read");
        }
    }

    private static void JudgeWriting(string path, string format, HostileVerdict verdict)
    {
        bool opened = false;
        ImageFormatException? refusal = Refusal(path, format, writable: true, chain =>
        {
            opened = true;
            using ImageDisk disk = new(chain);
            WriteAll(disk);
            disk.Flush();
            if ((verdict & (HostileVerdict.NoHarm | HostileVerdict.Writes)) != 0)
            {
                RequireWritten(disk);
                Assert.That(chain.Check().Errors, Is.Empty, "after writing");
            }
            disk.Close();
        });
        if (verdict.HasFlag(HostileVerdict.Writes))
        {
            Assert.That(refusal, Is.Null);
        }
        if ((verdict & (HostileVerdict.NotWritten | HostileVerdict.NeverOpens)) != 0)
        {
            Assert.That(opened, Is.False, "it opens for writing");
        }
        if (verdict.HasFlag(HostileVerdict.NotRead))
        {
            Assert.That(refusal, Is.Not.Null, "it can be written");
        }
    }

    private static void JudgeSnapshots(string path, string format, HostileVerdict verdict)
    {
        string[] names = [];
        Refusal(path, format, writable: false, chain => names = [.. chain.Images[0].Info.Snapshots.Select(s => s.Id).Take(20)]);
        foreach (string name in names)
        {
            ImageFormatException? refusal = Refusal(path, format, writable: false, ReadAll, name);
            Assert.That(verdict.HasFlag(HostileVerdict.NoSnapshot) && refusal is null, Is.False, $"snapshot {name} can be read");
        }
    }

    /// <summary>What comes of opening the image and of what is done then: nothing, or the one exception that may.</summary>
    private static ImageFormatException? Refusal(string path, string format, bool writable, Action<ImageChain> action, string? snapshot = null)
    {
        using DirectoryOpener opener = new(new MetadataCache(), []);
        try
        {
            OpenedFile file = opener.OpenGiven(path, writable);
            ImageStackOptions options = new(writable, format) { Snapshot = snapshot };
            using ImageChain chain = ImageStack.Open(new ImageSource(file.File, file.Path, opener), options);
            action(chain);
            return null;
        }
        catch (ImageFormatException e)
        {
            TestContext.Out.WriteLine(e.Message);
            return e;
        }
    }

    private static void ReadAll(ImageChain chain)
    {
        byte[] buffer = new byte[1 << 20];
        foreach ((ulong offset, int length) in Pieces(chain.Info.VirtualSize!.Value))
        {
            chain.ReadAt(offset, buffer.AsSpan(0, length));
        }
    }

    private static void WriteAll(ImageDisk disk)
    {
        byte[] buffer = new byte[1 << 20];
        foreach ((ulong offset, int length) in Pieces(disk.Length))
        {
            buffer.AsSpan().Fill(Mark(offset));
            disk.Write(offset, buffer.AsSpan(0, length));
        }
    }

    private static void RequireWritten(ImageDisk disk)
    {
        byte[] buffer = new byte[1 << 20];
        foreach ((ulong offset, int length) in Pieces(disk.Length))
        {
            disk.Read(offset, buffer.AsSpan(0, length));
            Assert.That(buffer.AsSpan(0, length).ContainsAnyExcept(Mark(offset)), Is.False, $"what was written at {offset} is not there");
        }
    }

    private static byte Mark(ulong offset) => (byte)(1 + (offset / 1_000_003 % 255));

    /// <summary>The whole disk; of a large one both ends.</summary>
    private static IEnumerable<(ulong Offset, int Length)> Pieces(ulong bytes)
    {
        const ulong Piece = 1 << 20;
        for (ulong offset = 0; offset < bytes; offset += Piece)
        {
            if (bytes > MostBytes && offset == MostBytes / 2)
            {
                offset = (bytes / Piece * Piece) - (MostBytes / 2);
            }
            yield return (offset, (int)Math.Min(Piece, bytes - offset));
        }
    }
}
