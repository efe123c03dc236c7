// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vmdk;

/// <summary>What may be done with an extent.</summary>
internal enum ExtentAccess
{
    /// <summary>Reading and writing.</summary>
    ReadWrite,

    /// <summary>Reading.</summary>
    ReadOnly,
}

/// <summary>What an extent is.</summary>
internal enum ExtentType
{
    /// <summary>The sectors as they are.</summary>
    Flat,

    /// <summary>Grains, found through tables.</summary>
    Sparse,

    /// <summary>Zeros, without a file.</summary>
    Zero,
}

/// <summary>A line of a descriptor that describes an extent.</summary>
/// <param name="At">Byte offset of the line in its file, for messages.</param>
/// <param name="Access">What may be done with it.</param>
/// <param name="Sectors">Its length.</param>
/// <param name="Type">What it is.</param>
/// <param name="Name">Name of its file as stored; empty where there is none.</param>
/// <param name="FirstSector">Flat: the sector of the file where it starts.</param>
internal readonly record struct ExtentLine(long At, ExtentAccess Access, ulong Sectors, ExtentType Type, string Name, ulong FirstSector);
