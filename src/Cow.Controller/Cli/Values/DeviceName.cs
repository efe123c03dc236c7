// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Values;

/// <summary>Names of devices on the command line.</summary>
internal static class DeviceName
{
    /// <summary>Returns <paramref name="name"/> when device-mapper, udev and the module take it without escaping, for a device of ours.</summary>
    public static string Checked(string name) => Checked(name, MappedDevice.LongestName);

    /// <summary>As <see cref="Checked(string)"/>, for any mapped device: others may have longer names.</summary>
    public static string OfMapped(string name) => Checked(name, DmName.MaxLength);

    private static string Checked(string name, int longest) => DmName.TryParse(name, out _) && name.Length <= longest
        ? name
        : throw new CliException(
            ExitCode.Usage,
            name.Length is > 0 and <= 32 ? name : "name",
            "cannot name a device",
            $"take 1 to {longest} letters, digits and # + - . : = @ _ (but not \".\", \"..\" or \"control\")");
}
