// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;
using static Cow.Formats.Tests.Images.Giant;
using static Cow.Formats.Tests.Images.Qcow2.HoledQcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>Alone, because it looks at the memory of the whole process.</summary>
[TestFixture]
[NonParallelizable]
internal sealed class SnapshotMemoryTests
{
    /// <summary>As many as there can be, all of them in a hole: each image of a chain may have them.</summary>
    [Test]
    public void SnapshotsAreNotKept()
    {
        using HoledFile file = Make(1000, 1 << 20);
        file.WriteAt(Fields((0, 4, 65536), (4, 8, 8 * 65536)), 60);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        IDiskImage image = Open(new Qcow2Driver(), file);
        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(4 << 20), "the cache has some");
        Assert.That(image.Info.Snapshots, Has.Count.EqualTo(65536));
    }
}
