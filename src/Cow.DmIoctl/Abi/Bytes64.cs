// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>Names in struct loop info64.</summary>
[InlineArray(64)]
internal struct Bytes64
{
    private byte _first;
}
