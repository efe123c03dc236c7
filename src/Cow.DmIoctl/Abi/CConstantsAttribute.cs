// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>
/// Marks an enum, or a class of constants, that mirrors names of C. A member <c>WriteFault</c> with the prefix
/// <c>DM_COW_EV_</c> stands for <c>DM_COW_EV_WRITE_FAULT</c>; members named None are ours.
/// </summary>
/// <param name="header">The header that defines them, as in <c>#include</c>.</param>
/// <param name="prefix">What precedes the member's name in C.</param>
[AttributeUsage(AttributeTargets.Enum | AttributeTargets.Class)]
internal sealed class CConstantsAttribute(string header, string prefix) : Attribute
{
    /// <summary>The header that defines them.</summary>
    public string Header { get; } = header;

    /// <summary>What precedes the member's name in C.</summary>
    public string Prefix { get; } = prefix;
}
