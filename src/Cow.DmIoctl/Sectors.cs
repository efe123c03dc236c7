// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>A length or position in sectors of 512 bytes, whatever the device's own blocks are.</summary>
/// <param name="Value">The number of sectors.</param>
public readonly record struct Sectors(ulong Value) : IComparable<Sectors>
{
    /// <summary>Bytes of one sector.</summary>
    public const int BytesPerSector = 512;

    /// <summary>No sectors; the first position.</summary>
    public static Sectors Zero => default;

    /// <summary>The same in bytes. Throws <see cref="OverflowException"/> beyond 2^64.</summary>
    public ulong Bytes => checked(Value * BytesPerSector);

    /// <summary>Sectors of a number of bytes that must be whole sectors.</summary>
    /// <param name="bytes">A multiple of 512; <see cref="ArgumentException"/> otherwise.</param>
    public static Sectors FromBytes(ulong bytes) => bytes % BytesPerSector == 0
        ? new Sectors(bytes / BytesPerSector)
        : throw new ArgumentException($"{bytes} bytes are not whole sectors of {BytesPerSector}", nameof(bytes));

    /// <summary>Sum; throws <see cref="OverflowException"/>.</summary>
    public static Sectors operator +(Sectors left, Sectors right) => new(checked(left.Value + right.Value));

    /// <summary>Difference; throws <see cref="OverflowException"/> where it would be negative.</summary>
    public static Sectors operator -(Sectors left, Sectors right) => new(checked(left.Value - right.Value));

    /// <summary>Before, or shorter.</summary>
    public static bool operator <(Sectors left, Sectors right) => left.Value < right.Value;

    /// <summary>Behind, or longer.</summary>
    public static bool operator >(Sectors left, Sectors right) => left.Value > right.Value;

    /// <summary>Not behind, not longer.</summary>
    public static bool operator <=(Sectors left, Sectors right) => left.Value <= right.Value;

    /// <summary>Not before, not shorter.</summary>
    public static bool operator >=(Sectors left, Sectors right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Sectors other) => Value.CompareTo(other.Value);

    /// <summary>The bare number, as tables and the command line write it.</summary>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
