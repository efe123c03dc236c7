// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>What a marker of a streamOptimized extent announces.</summary>
internal enum StreamMarkerType : uint
{
    /// <summary>Nothing: the stream ends.</summary>
    End = 0,

    /// <summary>A grain table.</summary>
    Table = 1,

    /// <summary>The grain directory.</summary>
    Directory = 2,

    /// <summary>The copy of the header that says where the directory is.</summary>
    Footer = 3,
}

/// <summary>A sector that says what follows, little-endian.</summary>
/// <param name="Sectors">Sectors of what follows.</param>
/// <param name="Type">What that is.</param>
internal readonly record struct StreamMarker(ulong Sectors, StreamMarkerType Type)
{
    private const int TypeAt = 12;

    /// <summary>Encodes. Between the two fields is the size of a grain: 0 for all others.</summary>
    public void Write(Span<byte> sector)
    {
        sector.Clear();
        WriteUInt64LittleEndian(sector, Sectors);
        WriteUInt32LittleEndian(sector[TypeAt..], (uint)Type);
    }
}
