// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Values;

/// <summary>Names of devices on the command line.</summary>
internal static class DeviceName
{
    /// <summary>Returns <paramref name="name"/> when device-mapper, udev and the module take it without escaping.</summary>
    public static string Checked(string name) => DmName.TryParse(name, out _)
        ? name
        : throw new CliException(
            ExitCode.Usage,
            name.Length is > 0 and <= 32 ? name : "name",
            "cannot name a device",
            $"take 1 to {DmName.MaxLength} letters, digits and # + - . : = @ _ (but not \".\", \"..\" or \"control\")");
}
