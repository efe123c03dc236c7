// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>Full paths with every symbolic link resolved, as the kernel resolves them: a link before the ".." that follows it.</summary>
internal static class RealPath
{
    /// <summary>Links on one way at most: as many as Linux follows.</summary>
    private const int MostLinks = 40;

    /// <summary>The path of what <paramref name="path"/> leads to.</summary>
    /// <param name="path">Absolute.</param>
    /// <exception cref="IOException">Nothing is there, or the links run in a circle.</exception>
    public static string Of(string path) => Of("/", path);

    /// <summary>The path of what <paramref name="path"/> leads to.</summary>
    /// <param name="at">Where a relative one begins: a path without links.</param>
    /// <param name="path">Absolute or relative.</param>
    /// <exception cref="IOException">Nothing is there, or the links run in a circle.</exception>
    public static string Of(string at, string path)
    {
        Stack<string> ahead = [];
        Push(ahead, path);
        at = Path.IsPathRooted(path) ? "/" : at;
        for (int links = 0; ahead.TryPop(out string? name);)
        {
            if (name == "..")
            {
                // As for the kernel: nothing is above a file, or a device.
                at = Directory.Exists(at) ? Path.GetDirectoryName(at) ?? "/" : throw new DirectoryNotFoundException($"{at} is no directory");
                continue;
            }
            string next = Path.Join(at, name);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                at = Path.Exists(next) ? next : throw new FileNotFoundException($"there is no {next}");
                continue;
            }
            if (++links > MostLinks)
            {
                throw new IOException($"{path} leads through too many links");
            }
            at = Path.IsPathRooted(target) ? "/" : at;
            Push(ahead, target);
        }
        return at;
    }

    /// <summary>The same; null where nothing is there, or that cannot be seen.</summary>
    public static string? Find(string at, string path)
    {
        try
        {
            return Of(at, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Push(Stack<string> ahead, string path)
    {
        foreach (string name in path.Split('/').Reverse().Where(name => name is not "" and not "."))
        {
            ahead.Push(name);
        }
    }
}
