// SPDX-License-Identifier: MIT
namespace Cow.Controller.Tests.Fakes;

/// <summary>A part of a bio: chunks in one state.</summary>
internal sealed record FakePart(FakeBio Bio, ulong Sector, ulong Count);
