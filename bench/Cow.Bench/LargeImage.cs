// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Bench;

/// <summary>A qcow2 of 16 TiB with 2^20 allocated clusters: 64 runs of 16 in each of 1024 L2 tables, which lie all over the disk.</summary>
/// <remarks>Sparse: the clusters were never written, and take no room.</remarks>
internal static class LargeImage
{
    /// <summary>Clusters that are allocated.</summary>
    public const int Clusters = Tables * RunsPerTable * RunClusters;

    private const ulong Bytes = 16UL << 40;
    private const int Tables = 1024;
    private const int RunsPerTable = 64;
    private const int RunClusters = 16;
    private const ulong TableClusters = 8192;

    /// <summary>Makes it.</summary>
    /// <param name="path">Of the file, which there is not yet.</param>
    public static void Make(string path)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        using ImageFile file = new(handle, path, 512);
        using CachedFile cached = new(file, new MetadataCache());
        ImageCreateOptions options = new(Bytes, null, new Dictionary<string, string>());
        using IDiskImage image = ImageRegistry.Find("qcow2")!.Create(new ImageSource(cached, path, new NoOpener()), options);
        List<PlacedRun> runs = [];
        for (int table = 0; table < Tables; table++)
        {
            for (int run = 0; run < RunsPerTable; run++)
            {
                Reserve(image, FirstOf(table, run), runs);
            }
            // The file reaches as far as its entries name: first the room, then who says that it is used.
            file.SetLength(Math.Max(file.Length, (long)runs.Max(placed => placed.Place.Sector + (placed.Run.Count * image.Info.ChunkSectors)) * 512));
            image.Commit(runs.ToArray());
            runs.Clear();
        }
        image.Flush();
        image.Close();
    }

    /// <summary>Numbers of allocated clusters, in no order, of as many pages of L2 tables as are wanted.</summary>
    /// <param name="pages">Pages of 4 KiB, each with four runs.</param>
    /// <param name="count">Numbers.</param>
    public static ulong[] Allocated(int pages, int count)
    {
        Random random = new(1);
        const int runsPerPage = RunsPerTable / 16;
        ulong[] clusters = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            (int table, int page) = Math.DivRem(random.Next(pages), 16);
            clusters[i] = FirstOf(table, (page * runsPerPage) + random.Next(runsPerPage)) + (ulong)random.Next(RunClusters);
        }
        return clusters;
    }

    private static ulong FirstOf(int table, int run) => ((ulong)table * (Bytes / 65536 / Tables)) + ((ulong)run * (TableClusters / RunsPerTable));

    private static void Reserve(IDiskImage image, ulong first, List<PlacedRun> runs)
    {
        for (ChunkRun wanted = new(first, RunClusters); wanted.Count > 0;)
        {
            PlacedRun placed = image.Reserve(wanted, out _);
            runs.Add(placed);
            wanted = new ChunkRun(placed.Run.End, wanted.End - placed.Run.End);
        }
    }

    private sealed class NoOpener : IImageOpener
    {
        public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable) => throw new NotSupportedException();
    }
}
