// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>char[DM MAX TYPE NAME].</summary>
[InlineArray(16)]
internal struct Type16
{
    private byte _first;
}
