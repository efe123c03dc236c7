// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>What a new daemon does about the devices of the one before it, which may have been killed anywhere.</summary>
internal sealed class Recovery(DmControl dm, StateStore states, DeviceFactory factory, ILogger log)
{
    private const int EndMilliseconds = 30_000;

    /// <summary>Deals with every state file. One that fails does not keep the others from being served.</summary>
    /// <returns>The devices that are up, and served again.</returns>
#pragma warning disable CA2000 // They go to the caller; one that is buried has disposed itself.
    public List<CowDevice> Run()
    {
        Fence();
        var devices = new List<CowDevice>();
        foreach (DeviceState state in states.ReadAll())
        {
            if (Recover(state) is { } device)
            {
                devices.Add(device);
            }
        }

        return devices;
    }

    /// <summary>
    /// Ends every process that serves one of our idents, and waits for its end. Fencing its replies is not enough: a stopped controller could wake up
    /// in the middle of a metadata write. So this comes before any store is opened.
    /// </summary>
    private void Fence()
    {
        foreach (CowListEntry entry in CowChannel.List())
        {
            if (entry.Owner == 0 || entry.Owner == Environment.ProcessId || states.Read(entry.Ident) is null)
            {
                continue;
            }

            DaemonLog.Fenced(log, entry.Ident, entry.Owner);
            try
            {
                using PidFd owner = PidFd.Open(checked((int)entry.Owner));
                _ = owner.Kill(PidFd.SigKill);
                if (!owner.WaitForExit(EndMilliseconds))
                {
                    throw new RefusedException(
                        ExitCode.InUse, entry.Ident, $"process {entry.Owner} serves it and does not end", "find out what it waits for");
                }
            }
            catch (LinuxException e) when (e.Errno == Errno.ESRCH)
            {
                // Ended by itself.
            }
        }
    }

#pragma warning disable CA1031 // One device's bad store must not keep the others from being served.
    private CowDevice? Recover(DeviceState state)
    {
        try
        {
            return state.Phase == DevicePhase.Trying ? Undone(state) : Adopted(state);
        }
        catch (Exception e)
        {
            DaemonLog.Trouble(log, state.Spec.Name, $"is not served: {RefusedException.Of(e, state.Spec.Name).Reason}");
            return null;
        }
    }
#pragma warning restore CA1031

    private CowDevice? Undone(DeviceState state)
    {
        factory.Undo(state);
        DaemonLog.Device(log, state.Spec.Name, "was not finished and is undone");
        return null;
    }

    private CowDevice? Adopted(DeviceState state)
    {
        bool mapped = dm.Find(MappedDevice.UuidOf(state.Spec.Name)) is not null;
        bool held = CowChannel.Find(state.Spec.Name) is not null;
        if (!mapped && !held)
        {
            // Removed by hand, with everything committed.
            PartsBuilder.Release(state);
            states.Forget(state);
            return null;
        }

        CowDevice device = factory.Adopt(state);
        if (!mapped)
        {
            // Removed by hand with changes that nobody committed: the kernel kept them for us.
            device.Bury(force: false);
            return null;
        }

        if (state.Phase == DevicePhase.Removing)
        {
            device.Remove(force: false);
            return null;
        }

        _ = device.AdoptTable();
        DaemonLog.Device(log, state.Spec.Name, "is served again");
        return device;
    }
}
