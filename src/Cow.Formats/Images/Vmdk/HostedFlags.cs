// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vmdk;

/// <summary>Flags of a hosted sparse extent.</summary>
[Flags]
internal enum HostedFlags : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The header has bytes that tell a transfer as text.</summary>
    NewLines = 1,

    /// <summary>There is a redundant grain directory, with tables of its own.</summary>
    Mirror = 2,

    /// <summary>An entry of 1 is a grain of zeros.</summary>
    Zeroed = 4,

    /// <summary>Grains are compressed.</summary>
    Packed = 0x10000,

    /// <summary>Grains and tables have markers before them.</summary>
    Markers = 0x20000,
}
