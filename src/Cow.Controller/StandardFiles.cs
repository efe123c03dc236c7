// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller;

/// <summary>Standard input, output and error, which a shell may have closed.</summary>
internal static class StandardFiles
{
    private const int LastNumber = 2;

    /// <summary>Opens those that are closed and that the runtime has not taken: else the next files that are opened get their numbers, and what somebody says
    /// on them goes into a disk image. To be called before any file is opened.</summary>
    [SuppressMessage("Reliability", "CA2000", Justification = "Those with a standard number stay open as long as the process.")]
    public static void OpenClosed()
    {
        SafeFileHandle? file = OpenNull();
        while (file?.DangerousGetHandle() <= LastNumber)
        {
            file.SetHandleAsInvalid();
            file = OpenNull();
        }

        file?.Dispose();
    }

    /// <summary>Null where there is no such device, as in a bare chroot.</summary>
    private static SafeFileHandle? OpenNull()
    {
        try
        {
            return File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
