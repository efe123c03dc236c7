// SPDX-License-Identifier: MIT
namespace Cow.Controller.Tests.Fakes;

/// <summary>States of a chunk, PROTOCOL.md section 1.</summary>
internal enum FakeChunkState
{
    Unknown,
    None,
    Asked,
    Copying,
    Placed,
    Committed,
}

/// <summary>What the fake kernel knows about one chunk.</summary>
internal sealed class FakeChunk
{
    public FakeChunkState State { get; set; }

    /// <summary>A KNOWN range covers it.</summary>
    public bool SourceKnown { get; set; }

    public uint SourceDevice { get; set; }

    public ulong SourceSector { get; set; }

    /// <summary>Placed, committed: where it is.</summary>
    public uint Device { get; set; }

    public ulong Sector { get; set; }

    /// <summary>The place that a range grants it could not be written.</summary>
    public bool Barred { get; set; }

    /// <summary>Accesses that wait until it changes its state.</summary>
    public List<FakePart> Waiting { get; } = [];

    public bool HasPlace => State is FakeChunkState.Placed or FakeChunkState.Committed;

    public FakeChunkState Resting => SourceKnown ? FakeChunkState.None : FakeChunkState.Unknown;
}
