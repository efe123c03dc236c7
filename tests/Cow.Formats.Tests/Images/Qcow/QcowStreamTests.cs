// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow;

namespace Cow.Formats.Tests.Images.Qcow;

/// <summary>qcow images in which every cluster is compressed that becomes smaller.</summary>
[TestFixture]
internal sealed class QcowStreamTests : StreamedImageContract
{
    private protected override IStreamingDriver Driver { get; } = new QcowDriver();

    protected override IReadOnlyList<Dictionary<string, string>> Settings { get; } = [[], new() { ["cluster_size"] = "64K" }];

    [Test]
    public void WhatAStreamCannotBeIsRefused() =>
        Assert.That(() => Driver.Stream(new MemoryFiles().New(Image), Options(1 << 20, new() { ["cluster_size"] = "3K" })), Throws.ArgumentException);

    /// <summary>It is an image as any other one.</summary>
    [Test]
    public void AStreamIsWrittenToAfterwards()
    {
        MemoryFiles files = new();
        IStreamedImage stream = Driver.Stream(files.New(Image), Options(1 << 20, []));
        byte[] content = new byte[4096];
        content.AsSpan().Fill(7);
        byte[] packed = new byte[4096];
        stream.Append(8192, packed.AsSpan(0, stream.Pack(content, packed)));
        stream.Complete();
        using (ImageDisk disk = new(ImageStack.Open(files.Source(Image, writable: true), new ImageStackOptions(Writable: true))))
        {
            disk.Write(9000, [1, 2, 3]);
            disk.Flush();
            disk.Close();
        }
        using ImageDisk again = new(ImageStack.Open(files.Reopened().Source(Image, writable: false), new ImageStackOptions()));
        byte[] read = new byte[4096];
        again.Read(8192, read);
        new byte[] { 1, 2, 3 }.CopyTo(content, 9000 - 8192);
        Assert.That(read, Is.EqualTo(content));
        Assert.That(again.Chain.Check().Errors, Is.Empty);
    }
}
