// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>What a new daemon does about the devices of the one before it, which may have been killed anywhere.</summary>
internal sealed class Recovery(DmControl dm, StateStore states, DeviceFactory factory, ILogger log)
{
    private const int EndMilliseconds = 30_000;

    // Owners whose end was waited for: once is enough where one does not end.
    private readonly ConcurrentDictionary<uint, bool> _waitedFor = new();

    /// <summary>
    /// Ends every process that serves one of our idents, and waits for its end. Fencing its replies is not enough: a stopped controller could wake up
    /// in the middle of a metadata write. So this comes before any store is opened.
    /// </summary>
    public void Fence(IReadOnlyList<DeviceState> all)
    {
        foreach (DeviceState state in all)
        {
            try
            {
                Fence(state.Spec.Name);
            }
            catch (Exception e) when (e is RefusedException or IOException)
            {
                // Whoever adopts the device meets it again, and says so.
            }
        }
    }

    /// <summary>Deals with one state file.</summary>
    /// <returns>The device that is served again; null where none is left.</returns>
    public CowDevice? Recover(DeviceState state)
    {
        Fence(state.Spec.Name);
        return state.Phase == DevicePhase.Trying ? Undone(state) : Adopted(state);
    }

    /// <summary>Takes away a device that cannot be adopted. Its store stays as it is, without what was not committed.</summary>
    public void Lose(DeviceState state)
    {
        string name = state.Spec.Name;
        Fence(name);
        DmUuid uuid = MappedDevice.UuidOf(name);
        if (dm.Find(uuid) is { } mapped)
        {
            if (mapped.OpenCount > 0)
            {
                throw new RefusedException(ExitCode.InUse, name, "is open (mounted?)", "unmount it first");
            }

            dm.Remove(uuid);
        }

        if (CowChannel.Find(name) is { Uncommitted: > 0 })
        {
            KernelChannel.Abandon(name);
        }

        Forget(state);
        DaemonLog.Device(log, name, "removed without its store");
    }

    private void Fence(string name)
    {
        if (CowChannel.Find(name) is not { Owner: > 0 } entry || entry.Owner == Environment.ProcessId)
        {
            return;
        }

        bool first = _waitedFor.TryAdd(entry.Owner, true);
        if (first)
        {
            DaemonLog.Fenced(log, name, entry.Owner);
        }

        try
        {
            using PidFd owner = PidFd.Open(checked((int)entry.Owner));
            _ = owner.Kill(PidFd.SigKill);
            if (!owner.WaitForExit(first ? EndMilliseconds : 0))
            {
                throw new RefusedException(ExitCode.InUse, name, $"process {entry.Owner} serves it and does not end", "find out what it waits for");
            }
        }
        catch (LinuxException e) when (e.Errno == Errno.ESRCH)
        {
            // Ended by itself.
        }
    }

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
            Forget(state);
            return null;
        }

        return Finished(factory.Adopt(state), mapped, state);
    }

#pragma warning disable CA1031 // It is attached: whoever asks for its status, or removes it, must find it.
    private CowDevice? Finished(CowDevice device, bool mapped, DeviceState state)
    {
        try
        {
            return Finish(device, mapped, state);
        }
        catch (Exception e)
        {
            DaemonLog.Trouble(log, device.Name, RefusedException.Of(e, device.Name).Reason);
            return device;
        }
    }
#pragma warning restore CA1031

    private static CowDevice? Finish(CowDevice device, bool mapped, DeviceState state)
    {
        if (!mapped)
        {
            // Removed by hand with changes that nobody committed: the kernel kept them for us.
            device.Bury(force: false);
            return null;
        }

        // Also where it is to be removed, for that may fail.
        _ = device.AdoptTable();
        if (state.Phase == DevicePhase.Removing)
        {
            device.Remove(force: false);
            return null;
        }

        return device;
    }

    private void Forget(DeviceState state)
    {
        PartsBuilder.Release(state);
        states.Forget(state);
    }
}
