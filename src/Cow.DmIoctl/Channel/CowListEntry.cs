// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>An ident that the module holds (struct dm_cow_list of linux/dm-cow.h).</summary>
/// <param name="Ident">Its name.</param>
/// <param name="State">Its state.</param>
/// <param name="Owner">Process id of the attached controller, 0 where there is none.</param>
/// <param name="Uncommitted">Numbered runs that are not committed.</param>
public sealed record CowListEntry(string Ident, CowState State, uint Owner, ulong Uncommitted);
