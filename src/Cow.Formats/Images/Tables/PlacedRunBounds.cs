// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Judges runs that another process tells us of.</summary>
internal static class PlacedRunBounds
{
    /// <summary>Whether a run has chunks, and all of them are on a disk of so many.</summary>
    public static bool IsInside(this PlacedRun run, ulong chunks) => run.Run.Count > 0 && run.Run.Chunk < chunks && run.Run.Count <= chunks - run.Run.Chunk;
}
