// SPDX-License-Identifier: MIT
namespace Cow.Replay;

/// <summary>The store breaks a promise.</summary>
internal sealed class ViolationException(string message) : Exception(message);
