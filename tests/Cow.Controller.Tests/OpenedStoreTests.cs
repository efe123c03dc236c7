// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>A store as the daemon has it open. Files stand for its devices.</summary>
[TestFixture]
internal sealed class OpenedStoreTests
{
    private const int Bytes = 8 << 20;

    private string _directory = "";

    [SetUp]
    public void SetUp() => _directory = Directory.CreateTempSubdirectory("cow").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    /// <summary>The loop device of a bitmap has its file, whatever became of the name; who adopts the device opens nothing in its place.</summary>
    [Test]
    public void TheNameOfABitmapThatLeadsElsewhereIsNotFollowed([Values] bool gone, [Values] bool recorded)
    {
        string named = In("named");
        if (!gone)
        {
            Make("named", 0);
        }

        CreateSpec spec = new(
            "vm1", In("base"), Make("cow", Bytes), null, "bitmap", null, [], named, null, NoSpacePolicy.Wait, false, false, false);
        PartIdentity part = new(named, null, null, "another file");
        using var store = new OpenedStore(
            DeviceState.Of(spec) with { CowDevice = spec.Cow, BitmapDevice = Make("loop", Bytes), Parts = recorded ? [part] : [] }, readOnly: false);
        _ = StoreOpener.OpenOrCreate(store, spec, Bytes);
        if (recorded)
        {
            Assert.That(store.KeepMetadata(), Is.False);
        }
        else if (gone)
        {
            Assert.That(store.KeepMetadata, Throws.TypeOf<FileNotFoundException>(), "else it shows nothing");
        }

        Assert.That(gone ? 0 : new FileInfo(named).Length, Is.Zero);
    }

    private string In(string name) => Path.Combine(_directory, name);

    private string Make(string name, long bytes)
    {
        using FileStream file = File.Create(In(name));
        file.SetLength(bytes);
        return In(name);
    }
}
