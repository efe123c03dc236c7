// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>char[128]: a name of the device-mapper, or an ident.</summary>
[InlineArray(128)]
internal struct Name128
{
    private byte _first;
}
