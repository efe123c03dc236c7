// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>What a loop needs to know of its device.</summary>
/// <param name="Name">Of the device.</param>
/// <param name="Geometry">Its size and chunk.</param>
/// <param name="Indices">Its device list.</param>
/// <param name="Generation">From the attach.</param>
/// <param name="Features">That the kernel serves.</param>
/// <param name="BulkLoad">The kernel does not know all chunks.</param>
/// <param name="CommitInterval">How long a place may stay uncommitted when nobody flushes.</param>
internal sealed record FaultLoopOptions(
    string Name, ChunkGeometry Geometry, DeviceIndices Indices, uint Generation, CowFeatures Features, bool BulkLoad, TimeSpan CommitInterval);
