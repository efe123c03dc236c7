// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>How far a device has come. Written before each step that changes the machine for good, so that a new daemon knows what to undo.</summary>
internal enum DevicePhase
{
    /// <summary>Being built: a daemon that finds this undoes what exists.</summary>
    Trying,

    /// <summary>Serves: a daemon that finds this attaches to it.</summary>
    Active,

    /// <summary>Being removed: a daemon that finds this finishes it.</summary>
    Removing,
}
