// SPDX-License-Identifier: MIT
using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Cow.DmIoctl;

/// <summary>
/// The name of a mapped device, checked once. Allowed is what udev puts into /dev/mapper unchanged: 1 to 127 of the
/// ASCII letters, digits and <c>#+-.:=@_</c>. So there is no '/', no NUL and no blank in it; "." and ".." and
/// "control", which names the control node, are refused.
/// </summary>
public sealed record DmName : DmKey
{
    /// <summary>Bytes of the longest name (DM_NAME_LEN less the terminating zero).</summary>
    public const int MaxLength = 127;

    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789#+-.:=@_");

    /// <summary>Checks a name.</summary>
    /// <param name="value">The name; <see cref="ArgumentException"/> says what is wrong with it.</param>
    public DmName(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (Fault(value) is { } fault)
        {
            throw new ArgumentException($"'{value}' cannot name a mapped device: {fault}", nameof(value));
        }

        Value = value;
    }

    /// <summary>The name.</summary>
    public string Value { get; }

    /// <summary>Where its node is.</summary>
    public string NodePath => "/dev/mapper/" + Value;

    /// <summary>Checks a name without an exception.</summary>
    /// <param name="value">The name to be.</param>
    /// <param name="name">The name, or null.</param>
    /// <returns>False where the constructor would throw.</returns>
    public static bool TryParse(string? value, [NotNullWhen(true)] out DmName? name)
    {
        name = value is not null && Fault(value) is null ? new DmName(value) : null;
        return name is not null;
    }

    /// <summary>The name.</summary>
    public override string ToString() => Value;

    private static string? Fault(string value) => value switch
    {
        "" => "it is empty",
        "." or ".." or "control" => "the name is reserved",
        { Length: > MaxLength } => $"it is longer than {MaxLength} bytes",
        _ when value.AsSpan().ContainsAnyExcept(Allowed) => "only letters, digits and #+-.:=@_ are allowed",
        _ => null,
    };
}
