// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>__u64[2].</summary>
[InlineArray(2)]
internal struct Longs2
{
    private ulong _first;
}
