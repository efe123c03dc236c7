// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>Adjoining places of a run of chunks.</summary>
internal sealed class FakeRun
{
    public required ulong Chunk { get; init; }

    public required ulong Count { get; init; }

    public required uint Device { get; init; }

    public required ulong Sector { get; init; }

    public CowFill Fill { get; init; }

    public uint SourceDevice { get; init; }

    public ulong SourceSector { get; init; }

    /// <summary>Its places were granted.</summary>
    public bool Granted { get; init; }

    /// <summary>0 until the data is complete.</summary>
    public ulong Number { get; set; }

    public ulong End => Chunk + Count;

    public bool Overlaps(uint device, ulong sector, ulong sectors, ulong chunkSectors) =>
        device == Device && sector < Sector + (Count * chunkSectors) && Sector < sector + sectors;
}
