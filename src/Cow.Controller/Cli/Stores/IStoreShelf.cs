// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Stores;

/// <summary>Stores that no device uses: what <c>format</c> and <c>check</c> work on, without a daemon.</summary>
internal interface IStoreShelf
{
    /// <summary>What <see cref="Create"/> would make. Changes nothing.</summary>
    FormatReport Plan(FormatSpec spec);

    /// <summary>Makes an empty store.</summary>
    FormatReport Create(FormatSpec spec);

    /// <summary>Reads and judges all metadata. Changes nothing.</summary>
    StoreCheckReport Check(CheckSpec spec);
}
