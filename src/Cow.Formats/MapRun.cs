// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.Formats;

/// <summary>Adjoining keys whose values count up with them. 20 bytes.</summary>
/// <param name="Key">First key.</param>
/// <param name="Value">Value of the first key; each further key has the next one.</param>
/// <param name="Count">Keys in the run.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal record struct MapRun(ulong Key, ulong Value, uint Count)
{
    /// <summary>First key behind the run.</summary>
    public readonly ulong End => Key + Count;

    /// <summary>Value of a key inside the run.</summary>
    public readonly ulong ValueOf(ulong key) => Value + (key - Key);
}
