// SPDX-License-Identifier: MIT
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl.Tests;

/// <summary>A loop device that goes with its test.</summary>
internal sealed class Attached(string path, bool readOnly) : IDisposable
{
    public LoopDevice Device { get; } = LoopDevice.Attach(path, readOnly);

    public void Dispose() => Device.DetachAndDispose();
}

/// <summary>Ends of things, shorter.</summary>
internal static class Ends
{
    public static void DetachAndDispose(this LoopDevice device)
    {
        using (device)
        {
            device.Detach();
        }
    }

    public static void Grow(this SafeFileHandle file, long length)
    {
        using (file)
        {
            RandomAccess.SetLength(file, length);
        }
    }
}
