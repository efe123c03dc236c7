// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>A key in struct loop info64.</summary>
[InlineArray(32)]
internal struct Bytes32
{
    private byte _first;
}
