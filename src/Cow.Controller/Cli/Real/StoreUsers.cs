// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>Who uses a store: what is read of one in use may be torn, and what is written to one destroys it.</summary>
internal static class StoreUsers
{
    /// <summary>Throws when a device of ours, or anybody else has it.</summary>
    public static void RequireNone(DaemonPaths paths, string path)
    {
        if (OurDevice(paths, path) is { } ours)
        {
            throw new CliException(ExitCode.InUse, path, $"device {ours} writes to it", $"run \"cowctl remove {ours}\" first");
        }

        try
        {
            new UseChecks(DmControl.Open).Store(path);
        }
        catch (RefusedException e)
        {
            throw new CliException(e.Failure);
        }
    }

    private static string? OurDevice(DaemonPaths paths, string path) => KnownStates(paths)
        .Where(state => Stores(state).Any(used => Same(used, path)))
        .Select(static state => state.Spec.Name)
        .FirstOrDefault();

    // Only root may look. Others are kept from the files of a device by the locks that its daemon holds on them.
    private static List<DeviceState> KnownStates(DaemonPaths paths)
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

    private static IEnumerable<string> Stores(DeviceState state) =>
        new[] { state.Spec.Cow, state.CowDevice, state.Spec.BitmapDevice, state.BitmapDevice }.OfType<string>();

    private static bool Same(string used, string path) =>
        used == path || (File.Exists(used) && BlockDevice.IdentityOf(used) == BlockDevice.IdentityOf(path));
}
