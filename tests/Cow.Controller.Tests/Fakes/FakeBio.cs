// SPDX-License-Identifier: MIT
namespace Cow.Controller.Tests.Fakes;

/// <summary>One request of a user of the device, or the part of one that a fault or a chunk holds up.</summary>
internal sealed class FakeBio
{
    public required ulong Sector { get; init; }

    public required ulong Count { get; init; }

    /// <summary>What it writes; 0 is a read.</summary>
    public ulong Token { get; init; }

    public bool IsWrite => Token != 0;

    /// <summary>Parts that are still on their way.</summary>
    public int Parts { get; set; }

    public bool Failed { get; set; }

    /// <summary>The errno that the controller chose.</summary>
    public int Error { get; set; }

    public bool Done => Parts == 0;

    /// <summary>What a read returned.</summary>
    public ulong[] Result { get; init; } = [];
}
