// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>The snapshots inside an image, as the table on the disk has them.</summary>
/// <param name="Entries">Oldest first.</param>
/// <param name="Bytes">Bytes of the table.</param>
internal sealed record SnapshotTable(IReadOnlyList<SnapshotEntry> Entries, ulong Bytes)
{
    /// <summary>QEMU opens no larger table.</summary>
    public const ulong MaxBytes = 64 << 20;

    /// <summary>Makes a table of entries.</summary>
    public static SnapshotTable Of(IReadOnlyList<SnapshotEntry> entries) => new(entries, (ulong)entries.Sum(e => (long)e.Length));

    /// <summary>Decodes the table.</summary>
    /// <exception cref="ImageFormatException">It is none.</exception>
    public static SnapshotTable Read(MetadataFile file, Qcow2Header header)
    {
        List<SnapshotEntry> entries = [];
        ulong bytes = Visit(file, header, entries.Add);
        return new SnapshotTable(entries, bytes);
    }

    /// <summary>Judges the table and keeps nothing of it: there may be 64 Ki snapshots in each image of a chain.</summary>
    /// <exception cref="ImageFormatException">It is none.</exception>
    public static void Judge(MetadataFile file, Qcow2Header header) => Visit(file, header, static _ => { });

    /// <returns>Bytes of the table.</returns>
    private static ulong Visit(MetadataFile file, Qcow2Header header, Action<SnapshotEntry> visit)
    {
        ulong at = header.SnapshotsOffset;
        for (uint i = 0; i < header.SnapshotCount; i++)
        {
            SnapshotEntry entry = SnapshotEntry.Read(file, at);
            visit(entry);
            at += (ulong)entry.Length;
            if (at - header.SnapshotsOffset > MaxBytes)
            {
                throw new ImageFormatException(file.Name, Qcow2Header.SnapshotsAt, $"a snapshot table of {MaxBytes} bytes at most", $"more after {i} snapshots");
            }
        }
        return at - header.SnapshotsOffset;
    }

    /// <summary>Encodes it, padded to whole sectors.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Qcow2Store.WholeSectors(Bytes)];
        int at = 0;
        foreach (SnapshotEntry entry in Entries)
        {
            entry.Write(bytes.AsSpan(at));
            at += entry.Length;
        }
        return bytes;
    }

    /// <summary>The snapshot with this id, else with this name, else null.</summary>
    public SnapshotEntry? Find(string idOrName) =>
        Entries.FirstOrDefault(e => e.Id == idOrName) ?? Entries.FirstOrDefault(e => e.Name == idOrName);
}
