// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>Major, minor and patch level.</summary>
[InlineArray(3)]
internal struct Version3
{
    private uint _first;
}
