// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>
/// The unique id of a mapped device, given when it is made and kept until it goes; by custom it begins with the name of
/// the tool that made it.
/// </summary>
public sealed record DmUuid : DmKey
{
    /// <summary>Bytes of the longest one (DM_UUID_LEN less the terminating zero).</summary>
    public const int MaxLength = 128;

    /// <summary>Checks one.</summary>
    /// <param name="value">1 to 128 ASCII characters, none of them NUL; <see cref="ArgumentException"/> where it is not.</param>
    public DmUuid(string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(value);
        if (value.Length > MaxLength || !System.Text.Ascii.IsValid(value) || value.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"'{value}' cannot be the unique id of a mapped device", nameof(value));
        }

        Value = value;
    }

    /// <summary>The id.</summary>
    public string Value { get; }

    /// <summary>The id.</summary>
    public override string ToString() => Value;
}
