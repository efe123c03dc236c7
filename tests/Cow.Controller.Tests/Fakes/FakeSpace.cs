// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Formats;
using Cow.Formats.Io;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A host file system that is full when the test says so.</summary>
internal sealed class FakeSpace(IImageFile store) : ISpaceKeeper
{
    public bool Full { get; set; }

    public bool Ensure(int device, ByteRange bytes) => !Full || bytes.Length == 0;

    public void Fill(Place place, ReadOnlySpan<byte> data) => store.WriteAt(data, (long)place.Sector * MemoryDisk.SectorBytes);

    public void FlushData() => store.Flush();
}
