// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>What an engine tells about itself; one snapshot, taken on the loop's thread.</summary>
/// <param name="Mode">Rung of the ladder.</param>
/// <param name="Problem">Why it is not <see cref="EngineMode.ReadWrite"/>, or what was odd last.</param>
/// <param name="WaitingForSpace">Writers wait for room.</param>
/// <param name="Gone">The last line of the table is gone, and nothing came since.</param>
/// <param name="PlacedChunks">Chunks with a place in the store, committed or not.</param>
/// <param name="UncommittedChunks">Chunks whose data is placed and whose metadata is not written.</param>
/// <param name="UsedBytes">Bytes of the store in use.</param>
/// <param name="CapacityBytes">Bytes that the store can use.</param>
/// <param name="Faults">Faults answered.</param>
/// <param name="Commits">Commits done.</param>
/// <param name="Errors">Copies failed, replies refused, requests answered with an error.</param>
internal readonly record struct EngineStatus(
    EngineMode Mode,
    string? Problem,
    bool WaitingForSpace,
    bool Gone,
    ulong PlacedChunks,
    ulong UncommittedChunks,
    long UsedBytes,
    long CapacityBytes,
    ulong Faults,
    ulong Commits,
    ulong Errors);
