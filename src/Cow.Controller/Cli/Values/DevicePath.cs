// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Values;

/// <summary>Paths on the command line; the daemon has another working directory, so it is told absolute ones.</summary>
internal static class DevicePath
{
    public static string Absolute(string what, string path) => path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)
        ? throw new CliException(ExitCode.Usage, what, "is an empty path", "name a block device or a file")
        : Path.GetFullPath(path);

    /// <summary>A layer: one path, or DATA,BITMAP. A path that exists as it stands may have a comma in it.</summary>
    public static string Layer(string text)
    {
        int comma = text.LastIndexOf(',');
        return comma < 0 || Path.Exists(text)
            ? Absolute("layer", text)
            : $"{Absolute("layer", text[..comma])},{Absolute("layer bitmap", text[(comma + 1)..])}";
    }
}
