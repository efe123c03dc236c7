// SPDX-License-Identifier: MIT
namespace Cow.Controller;

/// <summary>Exit codes of cowctl, one for each class of failure. Documented in README.md.</summary>
internal enum ExitCode
{
    Done = 0,

    /// <summary>A defect of ours, or a condition that nobody thought of.</summary>
    Internal = 1,

    /// <summary>The command line is wrong, or a size, chunk or name in it.</summary>
    Usage = 2,

    /// <summary>Not root, or a capability is missing.</summary>
    Permission = 3,

    /// <summary>The kernel module, or device-mapper, is missing or of another version.</summary>
    NoModule = 4,

    /// <summary>No such device, file or mapped device.</summary>
    NotFound = 5,

    /// <summary>Name taken, or a device is in use by somebody else.</summary>
    InUse = 6,

    /// <summary>The CoW device bears something that is not ours to overwrite.</summary>
    ForeignSignature = 7,

    /// <summary>The store is damaged or not what its format demands.</summary>
    BadStore = 8,

    /// <summary>No room where room is needed.</summary>
    NoSpace = 9,

    /// <summary>The daemon cannot be reached or started.</summary>
    NoDaemon = 10,

    /// <summary>The kernel refused a step.</summary>
    Kernel = 11,

    /// <summary><c>check</c> or <c>doctor</c> found something.</summary>
    Findings = 12,

    /// <summary>A signal ended <c>convert</c>, which cleaned up behind itself. The number that shells give to SIGINT.</summary>
    Interrupted = 130,
}
