// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>Names of files. Any thread.</summary>
public static class FileName
{
    /// <summary>Gives a file a name that nothing has, in one step: whatever has come there meanwhile stays.</summary>
    /// <param name="from">The name that it has.</param>
    /// <param name="to">The new one, on the same file system.</param>
    /// <returns>False where something has that name.</returns>
    public static bool TryMove(string from, string to)
    {
        ArgumentException.ThrowIfNullOrEmpty(from);
        ArgumentException.ThrowIfNullOrEmpty(to);
        int result;
        do
        {
            result = LibC.RenameAt2(FileNumbers.CurrentDirectory, from, FileNumbers.CurrentDirectory, to, RenameNumbers.NoReplace);
        }
        while (Syscall.Interrupted(result));
        if (result < 0 && Syscall.LastError == Errno.EINVAL)
        {
            // NFS, for one, cannot: there it takes two steps, a look and the move.
            return TryMoveInSteps(from, to);
        }

        if (result < 0 && Syscall.LastError == Errno.EEXIST)
        {
            return false;
        }

        Syscall.Check(result, "rename", to);
        return true;
    }

    private static bool TryMoveInSteps(string from, string to)
    {
        if (FileStatus.Find(to, follow: false) is not null)
        {
            return false;
        }

        File.Move(from, to);
        return true;
    }
}
