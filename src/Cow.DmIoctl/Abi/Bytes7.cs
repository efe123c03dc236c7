// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>The odd end of struct dm ioctl.</summary>
[InlineArray(7)]
internal struct Bytes7
{
    private byte _first;
}
