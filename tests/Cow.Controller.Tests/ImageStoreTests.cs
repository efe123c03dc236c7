// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>The files of an image that a device is made of.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class ImageStoreTests : IDisposable
{
    private readonly CliImageWorld _world = new();
    private readonly List<(string Name, bool Write)> _claims = [];

    public void Dispose() => _world.Dispose();

    [TestCase("vmdk", "subformat=monolithicFlat", false)]
    [TestCase("vmdk", "subformat=monolithicFlat", true)]
    [TestCase("vmdk", "subformat=twoGbMaxExtentSparse", false)]
    [TestCase("qcow2", "data_file=data", false)]
    [TestCase("qcow2", "data_file=data", true)]
    public void EachFurtherFileIsClaimed(string format, string settings, bool readOnly)
    {
        string other = Make(format, settings);
        Open(readOnly, Claim);
        Assert.That(_claims, Is.EqualTo(new[] { (other, !readOnly) }));
    }

    [TestCase("vmdk", "subformat=monolithicFlat")]
    [TestCase("vmdk", "subformat=twoGbMaxExtentSparse")]
    [TestCase("qcow2", "data_file=data")]
    public void NothingIsWrittenBeforeTheClaim(string format, string settings)
    {
        string other = Make(format, settings);
        byte[][] before = Contents(other);
        Assert.That(() => Open(readOnly: false, (_, _) => throw new RefusedException(ExitCode.InUse, other, "is in use", "wait")), Throws.TypeOf<RefusedException>());
        Assert.That(Contents(other), Is.EqualTo(before));
    }

    [Test]
    public void WhatItIsBackedByIsClaimedToBeRead()
    {
        _world.Raw("base");
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", _world.In("middle"));
        CliImageWorld.Qemu("create", "-q", "-f", "qcow2", "-b", "middle", "-F", "qcow2", _world.In("image"));
        Open(readOnly: false, Claim);
        Assert.That(_claims, Is.EqualTo(new[] { ("middle", false), ("base", false) }));
    }

    private void Claim(string path, bool write) => _claims.Add((Path.GetFileName(path), write));

    /// <summary>Makes the image.</summary>
    /// <returns>The file that it is in besides its own.</returns>
    private string Make(string format, string settings)
    {
        CliImageWorld.Require(format);
        CliImageWorld.Qemu("create", "-q", "-f", format, "-o", settings.Replace("=data", $"={_world.In("data")}", StringComparison.Ordinal), _world.In("image"), "4M");
        return _world.Files.Single(static file => file != "image");
    }

    private byte[][] Contents(string other) => [File.ReadAllBytes(_world.In("image")), File.ReadAllBytes(_world.In(other))];

    private void Open(bool readOnly, Action<string, bool> claim)
    {
        CreateSpec spec = new("vm1", null, _world.In("image"), null, null, null, [], null, null, NoSpacePolicy.Wait, false, readOnly, false)
        {
            Image = new DeviceImageSpec([], null, null, 0),
        };
        ImageStore.Open(spec, new MetadataCache(1 << 20), claim).Dispose();
    }
}
