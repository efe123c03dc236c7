// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>Places that the fake kernel was given in advance. A range keeps its extent, a pool shrinks.</summary>
internal sealed class FakeGrant
{
    public required ulong Chunk { get; init; }

    public required ulong Count { get; set; }

    public required uint Device { get; init; }

    public required ulong Sector { get; set; }

    public bool IsPool => Chunk == CowProtocol.AnyChunk;

    public bool Holds(ulong chunk) => !IsPool && chunk >= Chunk && chunk - Chunk < Count;

    public bool Overlaps(uint device, ulong sector, ulong sectors, ulong chunkSectors) =>
        device == Device && sector < Sector + (Count * chunkSectors) && Sector < sector + sectors;
}
