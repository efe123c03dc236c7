// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>What a device's data and metadata are in, open: the store, and how the kernel's device list relates to it.</summary>
internal abstract class ServedStore : IDisposable
{
    /// <summary>The store.</summary>
    public abstract ICowFormat Format { get; }

    /// <summary>Room for its places. Owned.</summary>
    public abstract ISpaceKeeper Space { get; }

    /// <summary>Its devices in the kernel's list.</summary>
    public abstract DeviceIndices Indices { get; }

    /// <summary>Where compressed chunks go when it is not written, or null.</summary>
    public virtual ScratchFile? Scratch => null;

    /// <summary>The kernel is told at attach all that the store knows. Else it asks, chunk by chunk: opening must not read all tables of an image.</summary>
    public abstract bool TellAll { get; }

    /// <summary>Sees to it that the metadata which is there can be written, before anything is served.</summary>
    /// <returns>False where not all of it can be once the file system is full.</returns>
    public abstract bool KeepMetadata();

    /// <summary>The device has ended and everything is committed: leaves the store cleanly closed.</summary>
    public abstract void Close();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
