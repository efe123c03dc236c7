// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>streamOptimized images.</summary>
[TestFixture]
internal sealed class VmdkStreamTests : StreamedImageContract
{
    private protected override IStreamingDriver Driver { get; } = new VmdkDriver();

    protected override IReadOnlyList<Dictionary<string, string>> Settings { get; } = [[]];

    [Test]
    public void QemuKnowsWhatItIs()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        using (FolderFiles files = new(folder.Path))
        {
            Driver.Stream(files.New(Image), Options(65536, [])).Complete();
        }
        Assert.That(Qemu.Img(folder.Path, "info", "-f", "vmdk", Image), Does.Contain("create type: streamOptimized"));
    }

    [TestCase("subformat", "monolithicSparse")]
    [TestCase("zeroed_grain", "on")]
    public void WhatAStreamCannotBeIsRefused(string name, string value) =>
        Assert.That(() => Driver.Stream(new MemoryFiles().New(Image), Options(1 << 20, new() { [name] = value })), Throws.ArgumentException);
}
