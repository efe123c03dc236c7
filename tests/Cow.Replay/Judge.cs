// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.Formats;

namespace Cow.Replay;

/// <summary>Opens a store as recovery after a power cut does, and holds every block of its disk against the journal.</summary>
/// <param name="driver">The store's format.</param>
/// <param name="lower">What is under the overlay.</param>
/// <param name="virtualBytes">Size of the disk.</param>
/// <param name="journal">Knows what must be there, and what may be.</param>
internal sealed class Judge(IFormatDriver driver, BaseDevice lower, ulong virtualBytes, Journal journal)
{
    private const ulong BlockSectors = Page.Sectors;

    /// <summary>Stores that were opened and judged.</summary>
    public int Stores { get; private set; }

    /// <summary>Sectors whose content was held against the journal.</summary>
    public long Sectors { get; private set; }

    /// <summary>Points at which creation had not come so far that there was a store.</summary>
    public int NoStoreYet { get; private set; }

    /// <summary>Judges an image, which recovery may write.</summary>
    /// <exception cref="ViolationException">It breaks a promise.</exception>
    public void Look(MemoryImage image)
    {
        if (!driver.Probe(image))
        {
            Demand(journal.Durable.Count == 0, $"there is no store any more");
            NoStoreYet++;
            return;
        }
        using ICowFormat store = Open(image);
        CheckReport report = store.Check();
        Demand(report.Errors.Count == 0, $"check: {string.Join("; ", report.Errors)}");
        Demand(report.Leaks.Count == 0, $"check after recovery: {string.Join("; ", report.Leaks)}");
        ulong chunkSectors = store.Info.ChunkSectors;
        Demand(chunkSectors % BlockSectors == 0, $"chunks of {chunkSectors} sectors; this judge takes multiples of {BlockSectors}");
        ulong chunks = ((virtualBytes / SectorStamp.Bytes) - 1) / chunkSectors + 1;
        int durable = 0;
        for (ulong chunk = 0; chunk < chunks;)
        {
            Extent extent = store.Lookup(chunk, chunks - chunk);
            if (extent.Kind == ExtentKind.Overlay)
            {
                durable += LookAt(image, extent, chunkSectors);
            }
            chunk = extent.Run.End;
        }
        Demand(durable == journal.Durable.Count, $"{journal.Durable.Count - durable} of {journal.Durable.Count} blocks that were durable have no place: block {FirstWithoutPlace(store)}");
        Stores++;
    }

    private ICowFormat Open(MemoryImage image)
    {
        try
        {
            return driver.Open(new FormatFiles(image), new OpenOptions(virtualBytes, null, ReadOnly: false));
        }
        catch (ImageFormatException e)
        {
            throw new ViolationException($"the store does not open: {e.Message}");
        }
    }

    /// <summary>Judges a run of placed chunks.</summary>
    /// <returns>Blocks in it that had to be there.</returns>
    private int LookAt(MemoryImage image, in Extent extent, ulong chunkSectors)
    {
        int durable = 0;
        ulong page = extent.Place.Sector / BlockSectors;
        Demand(extent.Place.Sector % BlockSectors == 0, $"a place at sector {extent.Place.Sector}");
        ulong first = extent.Run.Chunk * chunkSectors / BlockSectors;
        ulong end = Math.Min(extent.Run.End * chunkSectors * SectorStamp.Bytes, virtualBytes) / Page.Bytes;
        for (ulong block = first; block < end; block++, page++)
        {
            Sectors += Page.Sectors;
            LookAt(image.PageAt((long)page), block);
            durable += journal.Durable.ContainsKey(block) ? 1 : 0;
        }
        return durable;
    }

    private void LookAt(Page page, ulong block)
    {
        ulong least = journal.Durable.GetValueOrDefault(block);
        ulong good = ulong.MaxValue;
        ReadOnlySpan<SectorStamp?> seen = page.SeenAs(block, lower);
        for (int i = 0; i < seen.Length; i++)
        {
            if (seen[i] is not { } stamp)
            {
                throw new ViolationException(
                    $"block {block} sector {i}: neither written data nor the base (begins with {Convert.ToHexString(page.Data.AsSpan(i * SectorStamp.Bytes, 16))})");
            }
            Demand(stamp.Block == block && stamp.Index == (ulong)i, $"block {block} sector {i}: data of block {stamp.Block} sector {stamp.Index}");
            if (stamp.Version != good)
            {
                Demand(stamp.Version >= least, $"block {block} sector {i}: version {stamp.Version} (0: the base), but version {least} was durable");
                Demand(stamp.Version == 0 || journal.Issued(block, stamp.Version), $"block {block} sector {i}: version {stamp.Version}, which was never written there");
                good = stamp.Version;
            }
        }
    }

    private ulong FirstWithoutPlace(ICowFormat store) => journal.Durable.Keys.Order()
        .First(block => store.Lookup(block * BlockSectors / store.Info.ChunkSectors, 1).Kind != ExtentKind.Overlay);

    private static void Demand(bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] Complaint complaint)
    {
        if (!condition)
        {
            throw new ViolationException(complaint.Text);
        }
    }
}
