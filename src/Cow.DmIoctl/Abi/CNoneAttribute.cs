// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>A field that stands for several of C, or a constant that is ours: only the struct's size counts it.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
internal sealed class CNoneAttribute : Attribute;
