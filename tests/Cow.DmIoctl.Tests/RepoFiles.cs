// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Tests;

/// <summary>Files of the repository, found from where the tests run.</summary>
internal static class RepoFiles
{
    private const string Mark = "kernel-shim/include/uapi/linux/dm-cow.h";

    public static string Path(string relative)
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(directory.FullName, Mark)))
            {
                return System.IO.Path.Combine(directory.FullName, relative);
            }
        }

        throw new DirectoryNotFoundException($"no directory above the tests holds {Mark}");
    }
}
