// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// Turns the paths of a specification into block devices, files through loop devices with direct I/O. Writes the state before each step, and leaves
/// word how to undo it. A loop device has its number only when it is there: until that is on record, it goes with this process.
/// </summary>
internal sealed class PartsBuilder(StateStore store, Unwinder undo, DeviceState state)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public DeviceState State { get; private set; } = state;

    /// <summary>Forgets all of it: what had existed before exists again.</summary>
    public static void Undo(DeviceState state)
    {
        Release(state);
        foreach (CreatedFile file in state.CreatedAs)
        {
            file.Delete();
        }
    }

    /// <summary>Takes away what was made for a device that is no more; its store stays.</summary>
    public static void Release(DeviceState state)
    {
        foreach (string loop in state.Loops.Reverse())
        {
            DetachLoop(loop, state.Parts.FirstOrDefault(part => part.Path == loop));
        }

        if (state.ScratchFile is { } scratch)
        {
            File.Delete(scratch);
        }
    }

    /// <summary>On return the file is free for the next one who wants it, unless somebody else keeps the loop open.</summary>
    private static void DetachLoop(string path, PartIdentity? attached)
    {
        int index = OwnLoops.IndexOf(path);
        OwnLoops.Forget(index);
        try
        {
            using LoopDevice loop = LoopDevice.Open(index);
            // Looked at while we have it open: until we close it nobody gives it another file.
            if (attached is { IsThere: false })
            {
                return;
            }

            loop.Detach();
        }
        catch (LinuxException e) when (e.Errno is Errno.ENXIO or Errno.ENODEV)
        {
            // Nothing behind it any more.
            return;
        }

        // The module closes its devices a little after its channel was closed, and the last one to close detaches.
        _ = SpinWait.SpinUntil(() => !File.Exists($"/sys/block/loop{index}/loop/backing_file"), TimeSpan.FromSeconds(5));
    }

    /// <summary>The next step is on record before it is done.</summary>
    public void Set(DeviceState next)
    {
        State = next with { CreatedAs = [.. next.CreatedAs.Select(file => file.Renewed())] };
        store.Write(State);
    }

    /// <summary>The base.</summary>
    /// <param name="path">Device or file.</param>
    /// <param name="ownDevice">Through a loop device of its own even if it is a block device: the kernel takes no device both as base and as CoW
    /// device.</param>
    public void Base(string path, bool ownDevice = false)
    {
        // Block records the loop that it makes, so it comes before State is copied.
        string device = ownDevice ? Loop(path, readOnly: true) : Block(path, readOnly: true);
        Set(State with { BaseDevice = device });
    }

    public void Cow(string path, bool readOnly)
    {
        string device = Block(path, readOnly);
        Set(State with { CowDevice = device });
    }

    public void Bitmap(string path, bool readOnly)
    {
        string device = Block(path, readOnly);
        Set(State with { BitmapDevice = device });
    }

    /// <summary>Layers, each DATA or DATA,BITMAP, lowest first.</summary>
    public void Layers(IReadOnlyList<string> layers)
    {
        foreach (string layer in layers)
        {
            string[] parts = layer.Split(',', 2);
            string data = Block(Existing(parts[0]), readOnly: true);
            string? bitmap = parts.Length == 2 ? Block(Existing(parts[1]), readOnly: true) : null;
            Set(State with { LayerDevices = [.. State.LayerDevices, data], LayerBitmaps = [.. State.LayerBitmaps, bitmap] });
        }
    }

    /// <summary>An image's further data files.</summary>
    public void Data(IReadOnlyList<string> paths, bool readOnly)
    {
        foreach (string path in paths)
        {
            string device = Block(path, readOnly);
            Set(State with { DataDevices = [.. State.DataDevices, device] });
        }
    }

    /// <summary>A scratch file as large as the disk, and a layer on it.</summary>
    public void Scratch(string name, long bytes)
    {
        string path = store.Paths.ScratchOf(name);
        UseChecks.NotOnOurs(path);
        Directory.CreateDirectory(store.Paths.Library);
        File.Delete(path);
        CreateFile(path, bytes);
        string device = Block(path, readOnly: true);
        Set(State with { ScratchFile = path, LayerDevices = [.. State.LayerDevices, device], LayerBitmaps = [.. State.LayerBitmaps, null] });
    }

    /// <summary>A sparse file of that size, which asks for nothing until it is written.</summary>
    public void CreateFile(string path, long bytes)
    {
        Set(State with { CreatedFiles = [.. State.CreatedFiles, path] });
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly };
        using var file = new FileStream(path, options);
        var made = CreatedFile.Of(path);
        undo.Add($"create {path}", () => made.Renewed().Delete());
        file.SetLength(bytes);
        FileSync.Flush(file.SafeFileHandle, path);
        Set(State with { CreatedAs = [.. State.CreatedAs, made] });
    }

    /// <summary>Whether there is a file or block device. Anything else is refused before somebody opens it: a pipe would be waited for.</summary>
    public static bool Exists(string path)
    {
        if (BlockDevice.IsFileOrBlockDevice(path))
        {
            return true;
        }

        if (!Path.Exists(path))
        {
            return false;
        }

        throw File.ResolveLinkTarget(path, returnFinalTarget: true) is { } end && !Path.Exists(end.FullName)
            ? new RefusedException(ExitCode.NotFound, path, $"is a link to {end.FullName}, which does not exist", "make that first, or name another path")
            : new RefusedException(ExitCode.BadStore, path, "is neither a regular file nor a block device", "name one");
    }

    public static string Existing(string path) => Exists(path)
        ? path
        : throw new RefusedException(ExitCode.NotFound, path, "does not exist", "check the path");

    private string Block(string path, bool readOnly)
    {
        if (!BlockDevice.IsBlockDevice(path))
        {
            return Loop(path, readOnly);
        }

        Set(State with { Parts = WithParts(path) });
        return path;
    }

    private string Loop(string path, bool readOnly)
    {
        using LoopDevice loop = LoopDevice.Attach(path, readOnly, onTrial: true);
        OwnLoops.Add(loop, path, readOnly);
        string node = loop.Path;
        PartIdentity? attached = PartIdentity.Find(node);
        undo.Add($"attach {node}", () => DetachLoop(node, attached));
        Set(State with { Loops = [.. State.Loops, node], Parts = WithParts(path, node) });
        loop.Keep();
        return node;
    }

    /// <summary>Of a path that is there twice the first word counts.</summary>
    private IReadOnlyList<PartIdentity> WithParts(params IEnumerable<string> paths) =>
        [.. State.Parts, .. paths.Where(path => !State.Parts.Any(part => part.Path == path)).Select(PartIdentity.Find).OfType<PartIdentity>()];
}
