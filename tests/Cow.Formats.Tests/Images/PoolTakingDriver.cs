// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A driver whose images give chunks places as a kernel does that holds a pool: so all histories of a contract run with such places.</summary>
internal sealed class PoolTakingDriver(IImageDriver driver) : IImageDriver
{
    public string Name => driver.Name;

    public string QemuName => driver.QemuName;

    public bool Probe(IImageFile file) => driver.Probe(file);

    public IDiskImage Create(ImageSource source, ImageCreateOptions options) => Taking(driver.Create(source, options), writable: true);

    public IDiskImage Open(ImageSource source, ImageOpenOptions options) => Taking(driver.Open(source, options), options.Writable);

    private static IDiskImage Taking(IDiskImage image, bool writable) =>
        writable && image is IGrantingImage { Grants: true } granting ? new PoolTakingImage(granting) : image;
}
