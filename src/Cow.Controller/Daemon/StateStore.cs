// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cow.Controller.Daemon;

/// <summary>The state files of live devices, and the configuration of those that are created at boot, which is durable as soon as it is changed.</summary>
/// <param name="paths">Where they are.</param>
/// <param name="log">For files that are passed over.</param>
/// <param name="flush">Makes the names in a directory durable, if not <see cref="FileSync.FlushDirectory"/> does.</param>
internal sealed class StateStore(DaemonPaths paths, ILogger? log = null, Action<string>? flush = null)
{
    private readonly ILogger _log = log ?? NullLogger.Instance;
    private readonly Action<string> _flush = flush ?? FileSync.FlushDirectory;

    public DaemonPaths Paths => paths;

    public void Write(DeviceState state) =>
        JsonFile.Write(paths.StateOf(state.Spec.Name), state, JsonContext.Default.DeviceState);

    public DeviceState? Read(string name) => JsonFile.Read(paths.StateOf(name), JsonContext.Default.DeviceState);

    public void Delete(string name) => _ = DeleteFile(paths.StateOf(name));

    /// <summary>The device is no more. One that was being removed is not to be created at boot again, also where its daemon died meanwhile. Where its
    /// configuration cannot be deleted (/etc is read-only), it is forgotten all the same: else its name would be taken for ever.</summary>
    public void Forget(DeviceState state)
    {
        try
        {
            if (state.Phase == DevicePhase.Removing)
            {
                DeleteConfiguration(state.Spec.Name);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DaemonLog.Trouble(_log, state.Spec.Name, $"is removed, and will be created at boot: {e.Message}");
        }

        Delete(state.Spec.Name);
    }

    /// <summary>States of all devices, by name.</summary>
    public List<DeviceState> ReadAll() =>
        ReadAll(paths.Run, Read, static state => state.Spec?.Name);

    /// <summary>Keeps a device for the next boot if that was asked for, unless it comes from its configuration, which then stays as it is.</summary>
    public void Configure(CreateSpec spec, Unwinder undo)
    {
        if (!spec.AtBoot || spec.Unattended)
        {
            return;
        }

        CreateSpec? former = ReadConfiguration(spec.Name);
        undo.Add("write the configuration", former is null ? () => DeleteConfiguration(spec.Name) : () => WriteConfiguration(former));
        WriteConfiguration(spec);
    }

    /// <summary>Without its force, which was meant for what lay there at that moment.</summary>
    public void WriteConfiguration(CreateSpec spec) =>
        JsonFile.Write(paths.ConfigurationOf(spec.Name), spec with { Force = false }, JsonContext.Default.CreateSpec, _flush);

    /// <summary>As it is to be created, with nobody there. Former versions wrote a force, which means nothing here.</summary>
    public CreateSpec? ReadConfiguration(string name) =>
        JsonFile.Read(paths.ConfigurationOf(name), JsonContext.Default.CreateSpec) is { } spec
            ? spec with { Force = false, Unattended = true }
            : null;

    public void DeleteConfiguration(string name)
    {
        if (DeleteFile(paths.ConfigurationOf(name)))
        {
            _flush(paths.Configuration);
        }
    }

    /// <summary>What is to be created at boot.</summary>
    public List<CreateSpec> ReadConfigurations() =>
        ReadAll(paths.Configuration, ReadConfiguration, static spec => spec.Name);

    /// <summary>One that cannot be read, or that is not what its name says, does not keep the others from being read.</summary>
    private List<T> ReadAll<T>(string directory, Func<string, T?> read, Func<T, string?> nameOf)
        where T : class
    {
        var all = new List<T>();
        foreach (string name in Names(directory))
        {
            try
            {
                if (read(name) is { } value && nameOf(value) == name)
                {
                    all.Add(value);
                }
                else
                {
                    DaemonLog.Trouble(_log, Path.Combine(directory, name + ".json"), $"is passed over: it does not describe a device \"{name}\"");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
            {
                DaemonLog.Trouble(_log, Path.Combine(directory, name + ".json"), $"is passed over: {e.Message}");
            }
        }

        return all;
    }

    private static List<string> Names(string directory) => Directory.Exists(directory)
        ? [.. Directory.EnumerateFiles(directory, "*.json").Order(StringComparer.Ordinal).Select(static path => Path.GetFileNameWithoutExtension(path))]
        : [];

    /// <returns>Whether it was there.</returns>
    private static bool DeleteFile(string path)
    {
        bool exists = Path.Exists(path);
        if (exists)
        {
            File.Delete(path);
        }

        return exists;
    }
}
