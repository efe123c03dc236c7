// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>The ladder of failure. It is gone down, never up: a store that may be damaged is not trusted again by itself.</summary>
internal enum EngineMode
{
    ReadWrite,

    /// <summary>The store could not be written: no new places, no commits; what has a place and what is below reads on.</summary>
    ReadOnly,

    /// <summary>The store contradicts the kernel: every question is answered EIO.</summary>
    Failed,
}
