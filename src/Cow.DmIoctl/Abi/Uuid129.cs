// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>char[DM_UUID_LEN].</summary>
[InlineArray(129)]
internal struct Uuid129
{
    private byte _first;
}
