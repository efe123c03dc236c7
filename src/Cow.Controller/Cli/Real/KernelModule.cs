// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Real;

/// <summary>The module dm-cow.</summary>
internal static class KernelModule
{
    private const string Name = "dm-cow";

    // sysfs writes '_' where a module's file has '-'; a module without attributes has a directory there all the same.
    public static bool IsLoaded => Directory.Exists("/sys/module/dm_cow");

    /// <summary>Loads it when it is not.</summary>
    /// <exception cref="CliException">It cannot be loaded.</exception>
    public static void Load()
    {
        LoadLoop();
        if (IsLoaded)
        {
            return;
        }

        (int code, string said) = Tool.Run("modprobe", Name);
        if (code != 0 || !IsLoaded)
        {
            throw new CliException(
                ExitCode.NoModule,
                $"module {Name}",
                said.Length > 0 ? $"cannot be loaded ({said})" : "cannot be loaded",
                code == Tool.Missing ? $"install modprobe (Debian: kmod), then run \"modprobe {Name}\"" : Cure(said));
        }
    }

    private static string Cure(string said) => said.Contains("Key was rejected", StringComparison.Ordinal)
        ? "have the firmware know the key that it was signed with (mokutil --import /var/lib/dkms/mok.pub), and boot again"
        : $"build and install it for kernel {KernelRelease} (apt-get install linux-headers-{KernelRelease}; dkms autoinstall), then run \"modprobe {Name}\"";

    /// <summary>For BASE and COW that are files. Opening /dev/loop-control loads it, but without udev nobody makes that node.</summary>
    private static void LoadLoop()
    {
        if (!File.Exists("/dev/loop-control"))
        {
            // A kernel may have none; who needs it is told so.
            _ = Tool.Run("modprobe", "loop");
        }
    }

    public static string KernelRelease => File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
}
