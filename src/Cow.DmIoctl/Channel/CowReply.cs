// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// What the controller answers or orders: struct dm_cow_reply of linux/dm-cow.h, byte for byte. Made by the static
/// methods, which leave 0 what does not apply, as the kernel demands. <c>generation</c> is always that of the attach;
/// devices are indices into the ident's list; chunks count from the start of the mapped device.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_cow_reply", "linux/dm-cow.h")]
public readonly record struct CowReply
{
    /// <summary>What it answers or orders.</summary>
    public CowOp Op { get; init; }

    /// <summary>PLACE: what fills the rest of the chunk.</summary>
    public CowFill Fill { get; init; }

    /// <summary>PLACE, ERROR, HOLD: the fault that is answered.</summary>
    public ulong Id { get; init; }

    /// <summary>MAP, KNOWN, REST, PLACE, GRANT: first chunk. GRANT of a pool: <see cref="CowProtocol.AnyChunk"/>.</summary>
    public ulong Chunk { get; init; }

    /// <summary>MAP, KNOWN, REST, PLACE, GRANT: chunks in a row; GRANT of a pool: places.</summary>
    public ulong Count { get; init; }

    /// <summary>MAP, PLACE, GRANT: first sector of the place. KNOWN, REST: first sector of the source.</summary>
    public Sectors Sector { get; init; }

    /// <summary>FLUSHED: all places up to this number are committed, or failed to be.</summary>
    public ulong Number { get; init; }

    /// <summary>PLACE with COPY: where the first chunk's data is now.</summary>
    public Sectors SourceSector { get; init; }

    /// <summary>MAP, PLACE, GRANT: device of the place. KNOWN, REST: of the source, or <see cref="CowProtocol.ZeroDevice"/>.</summary>
    public uint Device { get; init; }

    /// <summary>PLACE with COPY: device of the source.</summary>
    public uint SourceDevice { get; init; }

    /// <summary>ERROR, FLUSHED: why.</summary>
    [CName("error")]
    public Errno ErrorNumber { get; init; }

    /// <summary>Of the device list that the indices refer to.</summary>
    public uint Generation { get; init; }

    /// <summary>MAP: these chunks are committed there. For chunks that are unknown, or known to be just there.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="chunk">First chunk.</param>
    /// <param name="count">Chunks in a row, their places adjoining.</param>
    /// <param name="device">Device of the place.</param>
    /// <param name="sector">First sector of the place.</param>
    public static CowReply Map(uint generation, ulong chunk, ulong count, uint device, Sectors sector) => new()
    {
        Op = CowOp.Map, Generation = generation, Chunk = chunk, Count = count, Device = device, Sector = sector,
    };

    /// <summary>KNOWN: those of the chunks without a place read from there.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="chunk">First chunk.</param>
    /// <param name="count">Chunks in a row.</param>
    /// <param name="device">Device of the source, or <see cref="CowProtocol.ZeroDevice"/>.</param>
    /// <param name="sector">Where the first chunk reads from; of no meaning for zeros.</param>
    public static CowReply Known(uint generation, ulong chunk, ulong count, uint device, Sectors sector) => new()
    {
        Op = CowOp.Known, Generation = generation, Chunk = chunk, Count = count, Device = device,
        Sector = device == CowProtocol.ZeroDevice ? Sectors.Zero : sector,
    };

    /// <summary>LOAD: every place is told from here on, before a REST covers its chunk.</summary>
    /// <param name="generation">From the attach.</param>
    public static CowReply Load(uint generation) => new() { Op = CowOp.Load, Generation = generation };

    /// <summary>REST: a <see cref="Known"/> that is refused unless every MAP since LOAD holds.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="chunk">First chunk.</param>
    /// <param name="count">Chunks in a row.</param>
    /// <param name="device">Device of the source, or <see cref="CowProtocol.ZeroDevice"/>.</param>
    /// <param name="sector">Where the first chunk reads from; of no meaning for zeros.</param>
    public static CowReply Rest(uint generation, ulong chunk, ulong count, uint device, Sectors sector) =>
        Known(generation, chunk, count, device, sector) with { Op = CowOp.Rest };

    /// <summary>PLACE: adjoining places for the next unanswered chunks of a write fault.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="id">The fault.</param>
    /// <param name="chunk">The first chunk of the fault that has no answer yet.</param>
    /// <param name="count">Chunks in a row.</param>
    /// <param name="device">Device of the place; writable.</param>
    /// <param name="sector">First sector of the place.</param>
    /// <param name="fill">What fills the part of the chunks that no write covers.</param>
    /// <param name="sourceDevice">Copy: device of the source; left out otherwise.</param>
    /// <param name="sourceSector">Copy: where the first chunk's data is; left out otherwise.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CowReply Place(uint generation, ulong id, ulong chunk, ulong count, uint device, Sectors sector,
        CowFill fill, uint sourceDevice = 0, Sectors sourceSector = default) => new()
        {
            Op = CowOp.Place, Generation = generation, Id = id, Chunk = chunk, Count = count, Device = device,
            Sector = sector, Fill = fill,
            SourceDevice = fill == CowFill.Copy ? sourceDevice : 0,
            SourceSector = fill == CowFill.Copy ? sourceSector : Sectors.Zero,
        };

    /// <summary>ERROR: the accesses that wait for the fault fail.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="id">The fault; no part of it answered.</param>
    /// <param name="error">Why; not None.</param>
    public static CowReply Error(uint generation, ulong id, Errno error) => new()
    {
        Op = CowOp.Error, Generation = generation, Id = id, ErrorNumber = error,
    };

    /// <summary>HOLD: the fault waits for RETRY or the next attach.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="id">The fault; no part of it answered.</param>
    public static CowReply Hold(uint generation, ulong id) => new()
    {
        Op = CowOp.Hold, Generation = generation, Id = id,
    };

    /// <summary>RETRY: all held faults are asked again.</summary>
    /// <param name="generation">From the attach.</param>
    public static CowReply Retry(uint generation) => new() { Op = CowOp.Retry, Generation = generation };

    /// <summary>FLUSHED: the metadata of all places up to the number is durable, or failed to become so.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="number">From FLUSH or GONE.</param>
    /// <param name="error">None, or why it failed: then the device becomes read-only.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CowReply Flushed(uint generation, ulong number, Errno error = Errno.None) => new()
    {
        Op = CowOp.Flushed, Generation = generation, Number = number, ErrorNumber = error,
    };

    /// <summary>COMMIT: a FLUSH event will follow if anything is uncommitted.</summary>
    /// <param name="generation">From the attach.</param>
    public static CowReply Commit(uint generation) => new() { Op = CowOp.Commit, Generation = generation };

    /// <summary>ABANDON: after GONE, uncommitted places are forgotten. Loses data.</summary>
    /// <param name="generation">From the attach.</param>
    public static CowReply Abandon(uint generation) => new() { Op = CowOp.Abandon, Generation = generation };

    /// <summary>GRANT of a pool: adjoining places for whichever chunks without one are written first.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="count">Places.</param>
    /// <param name="device">Their device; writable.</param>
    /// <param name="sector">The first of them.</param>
    public static CowReply Pool(uint generation, ulong count, uint device, Sectors sector) =>
        Range(generation, CowProtocol.AnyChunk, count, device, sector);

    /// <summary>GRANT of a range: each of these chunks has its place, which it may take when it is written first.</summary>
    /// <param name="generation">From the attach.</param>
    /// <param name="chunk">First chunk.</param>
    /// <param name="count">Chunks in a row, their places adjoining.</param>
    /// <param name="device">Device of the places; writable.</param>
    /// <param name="sector">Place of the first chunk.</param>
    public static CowReply Range(uint generation, ulong chunk, ulong count, uint device, Sectors sector) => new()
    {
        Op = CowOp.Grant, Generation = generation, Chunk = chunk, Count = count, Device = device, Sector = sector,
    };

    /// <summary>REVOKE: what is left of all grants comes back by REVOKED.</summary>
    /// <param name="generation">From the attach.</param>
    public static CowReply Revoke(uint generation) => new() { Op = CowOp.Revoke, Generation = generation };
}
