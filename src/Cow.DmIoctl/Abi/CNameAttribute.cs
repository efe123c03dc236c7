// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>The C name of a field or constant whose name does not follow from ours.</summary>
/// <param name="name">The name in C.</param>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
internal sealed class CNameAttribute(string name) : Attribute
{
    /// <summary>The name in C.</summary>
    public string Name { get; } = name;
}
