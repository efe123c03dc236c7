// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>How many files this process may have open.</summary>
public static class DescriptorLimit
{
    /// <summary>What fs.nr_open is as a rule: nobody may ask for more.</summary>
    private const ulong Most = 1 << 20;

    /// <summary>Allows as many as a process may have. Who may not (CAP_SYS_RESOURCE) keeps the limit that it has.</summary>
    /// <returns>Whether it was allowed.</returns>
    public static unsafe bool TryRaise()
    {
        var limit = new RLimit { Current = Most, Maximum = Most };
        return LibC.SetRLimit(ResourceNumbers.OpenFiles, &limit) == 0;
    }
}
