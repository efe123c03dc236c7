// SPDX-License-Identifier: MIT
namespace Cow.Controller.Tests.Fakes;

/// <summary>A fault that the fake kernel has out.</summary>
internal sealed class FakeFault
{
    public required ulong Id { get; init; }

    public required bool Write { get; init; }

    public required bool Unknown { get; init; }

    public required ulong Chunk { get; init; }

    public required ulong Count { get; init; }

    /// <summary>Chunks that have an answer.</summary>
    public ulong Answered { get; set; }

    public bool Held { get; set; }

    /// <summary>Answers so far; the copy starts when they are complete.</summary>
    public List<FakeRun> Runs { get; } = [];

    public List<FakePart> Waiting { get; } = [];
}
