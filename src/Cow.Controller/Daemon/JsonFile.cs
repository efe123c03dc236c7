// SPDX-License-Identifier: MIT
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Small files that are either whole or absent.</summary>
internal static class JsonFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerDirectory = OwnerOnly | UnixFileMode.UserExecute;

    /// <summary>Replaces the file in one step: a reader, and a daemon after a crash, sees the old content or the new.</summary>
    /// <param name="path">The file. Its directory is made where there is none.</param>
    /// <param name="value">The new content.</param>
    /// <param name="type">Of it.</param>
    /// <param name="flush">Makes the names in a directory durable; null where nothing of it is to outlive a loss of power.</param>
    public static void Write<T>(string path, T value, JsonTypeInfo<T> type, Action<string>? flush = null)
    {
        string directory = Path.GetDirectoryName(path)!;
        bool isNew = !Directory.Exists(directory);
        _ = Directory.CreateDirectory(directory, OwnerDirectory);
        string fresh = path + ".new";
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
        };
        using (var stream = new FileStream(fresh, options))
        {
            JsonSerializer.Serialize(stream, value, type);
            stream.Flush();
            FileSync.Flush(stream.SafeFileHandle, fresh);
        }

        File.Move(fresh, path, overwrite: true);
        flush?.Invoke(directory);
        if (isNew)
        {
            flush?.Invoke(Path.GetDirectoryName(directory)!);
        }
    }

    /// <summary>Null when there is no such file, or when it is not whole: written by another version, or by hand.</summary>
    public static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (JsonException)
        {
            return null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
    }
}
