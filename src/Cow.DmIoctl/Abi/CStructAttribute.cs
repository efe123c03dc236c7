// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Marks a struct that mirrors one of C. The tests compare both through the C compiler.</summary>
/// <param name="name">The type as C writes it, for example <c>struct dm_ioctl</c>.</param>
/// <param name="header">The header that defines it, as in <c>#include</c>.</param>
[AttributeUsage(AttributeTargets.Struct)]
internal sealed class CStructAttribute(string name, string header) : Attribute
{
    /// <summary>The type as C writes it.</summary>
    public string Name { get; } = name;

    /// <summary>The header that defines it.</summary>
    public string Header { get; } = header;
}
