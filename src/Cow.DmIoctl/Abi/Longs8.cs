// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>__u64[8].</summary>
[InlineArray(8)]
internal struct Longs8
{
    private ulong _first;
}
