// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>A target type that the kernel has loaded.</summary>
/// <param name="Name">The type as table lines name it.</param>
/// <param name="Major">Incremented when old users break.</param>
/// <param name="Minor">Incremented when something is added.</param>
/// <param name="Patch">Incremented for anything else.</param>
public sealed record DmTargetVersion(string Name, uint Major, uint Minor, uint Patch);
