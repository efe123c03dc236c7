// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>How many files this process may have open.</summary>
public static class DescriptorLimit
{
    /// <summary>What fs.nr_open is as a rule: nobody may ask for more.</summary>
    private const ulong Most = 1 << 20;

    /// <summary>Allows as many as a process may have; who may not (CAP_SYS_RESOURCE) gets as many as are allowed here.</summary>
    /// <returns>Whether it was allowed.</returns>
    public static unsafe bool TryRaise()
    {
        RLimit limit = new() { Current = Most, Maximum = Most };
        if (LibC.SetRLimit(ResourceNumbers.OpenFiles, &limit) == 0)
        {
            return true;
        }

        if (LibC.GetRLimit(ResourceNumbers.OpenFiles, &limit) < 0)
        {
            return false;
        }

        limit.Current = limit.Maximum;
        return LibC.SetRLimit(ResourceNumbers.OpenFiles, &limit) == 0;
    }
}
