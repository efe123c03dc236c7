// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What a mapped device is found by: its <see cref="DmName"/>, or the <see cref="DmUuid"/> that it keeps when it is renamed.</summary>
public abstract record DmKey;
