// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>Who uses a store: what is read of one in use may be torn, and what is written to one destroys it.</summary>
internal static class StoreUsers
{
    /// <summary>For what is to be written: throws when a device of ours, or anybody else has it.</summary>
    public static void RequireNone(DaemonPaths paths, string path) =>
        Require(paths, path, static _ => true, static (uses, path) => uses.Store(path));

    /// <summary>For what is only read: throws when a device of ours, or anybody else may write it.</summary>
    public static void RequireNoWriter(DaemonPaths paths, string path) =>
        Require(paths, path, static state => !state.Spec.ReadOnly, static (uses, path) => uses.Base(path));

    /// <summary>States of the live devices. Only root may look: for others there are none, and they are kept from the files of a device by the locks that its
    /// daemon holds on them.</summary>
    public static List<DeviceState> KnownStates(DaemonPaths paths)
    {
        try
        {
            return new StateStore(paths).ReadAll();
        }
        catch (UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static void Require(DaemonPaths paths, string path, Func<DeviceState, bool> counts, Action<UseChecks, string> check)
    {
        if (KnownStates(paths).FirstOrDefault(state => counts(state) && Stores(state).Any(used => Same(state, used, path))) is { } ours)
        {
            string name = ours.Spec.Name;
            throw new CliException(ExitCode.InUse, path, $"device {name} uses it", $"run \"cowctl remove {name}\" first");
        }

        DmControl? dm = null;
        try
        {
            check(new UseChecks(() => dm ??= DmControl.Open()), path);
        }
        catch (RefusedException e)
        {
            throw new CliException(e.Failure);
        }
        finally
        {
            dm?.Dispose();
        }
    }

    private static IEnumerable<string> Stores(DeviceState state)
    {
        string?[] all = [state.Spec.Cow, state.CowDevice, state.Spec.BitmapDevice, state.BitmapDevice, .. state.DataDevices];
        return all.OfType<string>();
    }

    /// <summary>Also as the file behind a loop device: of an image's further files the state has nothing else.</summary>
    private static bool Same(DeviceState state, string used, string path) =>
        FileIdentity.AreSame(used, path)
        || state.Parts.Any(part => part.Path == used && part.File == FileIdentity.Of(path));
}
