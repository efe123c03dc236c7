// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>Full paths with every symbolic link resolved, as the kernel resolves them: a link before the ".." that follows it.</summary>
/// <remarks>What is at a path is looked up once, and remembered: thousands of names may lead through the same links, each a long way. Not thread-safe.</remarks>
public sealed class RealPath
{
    /// <summary>Links in a row at most: as many as Linux follows.</summary>
    private const int MostLinks = 40;

    // By a path whose directory is without links: what it leads to.
    private readonly Dictionary<string, string> _known = [];

    /// <summary>The path of what <paramref name="path"/> leads to.</summary>
    /// <param name="path">Absolute.</param>
    /// <exception cref="IOException">Nothing is there, or the links run in a circle.</exception>
    public string Of(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Of("/", path, MostLinks);
    }

    /// <summary>The path of what <paramref name="path"/> leads to; null where nothing is there, or that cannot be seen.</summary>
    /// <param name="at">Where a relative one begins: a path without links.</param>
    /// <param name="path">Absolute or relative.</param>
    public string? Find(string at, string path)
    {
        ArgumentNullException.ThrowIfNull(at);
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            return Of(at, path, MostLinks);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private string Of(string at, string path, int links)
    {
        at = Path.IsPathRooted(path) ? "/" : at;
        foreach (string name in path.Split('/').Where(static name => name is not "" and not "."))
        {
            // As for the kernel: nothing is above a file, or a device.
            at = name != ".." ? Next(Path.Join(at, name), at, links)
                : Directory.Exists(at) ? Path.GetDirectoryName(at) ?? "/"
                : throw new DirectoryNotFoundException($"{at} is no directory");
        }
        return at;
    }

    /// <summary>What a path leads to whose directory is without links.</summary>
    private string Next(string path, string directory, int links)
    {
        if (_known.TryGetValue(path, out string? real))
        {
            return real;
        }
        real = new FileInfo(path).LinkTarget is { } target ? Follow(path, directory, target, links)
            : Path.Exists(path) ? path
            : throw new FileNotFoundException($"there is no {path}");
        _known[path] = real;
        return real;
    }

    private string Follow(string path, string directory, string target, int links) =>
        links > 0 ? Of(directory, target, links - 1) : throw new IOException($"{path} leads through too many links");
}
