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
    public static void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnerDirectory);
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
