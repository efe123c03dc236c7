// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Values;

/// <summary>Paths on the command line; the daemon has another working directory, so it is told absolute ones.</summary>
internal static class DevicePath
{
    public static string Absolute(string what, string path) => path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)
        ? throw new CliException(ExitCode.Usage, what, "is an empty path", "name a block device or a file")
        : Absolute(Path.IsPathRooted(path) ? path : Path.Join(Environment.CurrentDirectory, path));

    /// <summary>Goes up from where a link leads to, as the kernel does, and not from where the link lies. Links that nothing goes up from stay as they are
    /// named; so does what is not there.</summary>
    private static string Absolute(string path)
    {
        string[] names = path.Split('/');
        int up = Array.LastIndexOf(names, "..") + 1;
        string? real = up == 0 ? null : new RealPath().Find("/", string.Join('/', names[..up]));
        return Path.GetFullPath(real is null ? path : Path.Join(real, string.Join('/', names[up..])));
    }

    /// <summary>A layer: one path, or DATA,BITMAP. A path that exists as it stands may have a comma in it.</summary>
    public static string Layer(string text)
    {
        int comma = text.LastIndexOf(',');
        return comma < 0 || Path.Exists(text)
            ? Absolute("layer", text)
            : $"{Absolute("layer", text[..comma])},{Absolute("layer bitmap", text[(comma + 1)..])}";
    }
}
