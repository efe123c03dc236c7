// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>Disks over a format for a contract to be held against.</summary>
internal abstract class CowFixture
{
    protected abstract FormatUnderTest Format { get; }

    protected CowDisk NewDisk(IImageFile medium)
    {
        Format.Prepare(medium);
        CowDisk disk = new(Format, medium);
        disk.Create();
        return disk;
    }
}
