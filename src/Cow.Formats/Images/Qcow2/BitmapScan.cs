// SPDX-License-Identifier: MIT
using System.Text;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Goes through the pieces of the file that the bitmaps have, and judges on the way what names them, as QEMU does.</summary>
/// <remarks>A wrong field may hide a piece: a length, all entries behind it. So it is an error, and by that whoever counts takes nothing for free.</remarks>
/// <param name="store">The image.</param>
/// <param name="errors">Receives what is wrong.</param>
/// <param name="claim">Is given byte offset and length of each piece. Where it says no, what the piece names is left out: other bitmaps could name the
/// same table, again and again.</param>
internal sealed class BitmapScan(Qcow2Store store, Sentences errors, Func<ulong, ulong, bool> claim)
{
    private const ulong AllOnes = 1;

    private readonly Qcow2Layout _layout = store.Layout;
    private readonly HashSet<string> _names = [];

    /// <summary>Goes through all of them.</summary>
    public void Run()
    {
        if (store.Extensions.Bitmaps is not { } directory)
        {
            RequireNone();
            return;
        }
        if (directory.Fault() is { } fault)
        {
            errors.Add($"the bitmaps extension at {directory.ExtensionAt}: expected {fault}, found {directory}");
        }
        if (directory.IsPossible && claim(directory.Offset, directory.Bytes))
        {
            ScanDirectory(directory);
        }
    }

    /// <summary>The extension may be there, under a type that nobody knows.</summary>
    private void RequireNone()
    {
        if (store.Header.Has(AutoclearFeatures.Bitmaps))
        {
            errors.Add("the header says that the bitmaps are sound, and does not say where they are");
        }
    }

    private void ScanDirectory(BitmapDirectory directory)
    {
        ulong at = directory.Offset;
        ulong end = at + directory.Bytes;
        Span<byte> head = stackalloc byte[BitmapEntry.HeadBytes];
        for (uint i = 0; i < directory.Count && end - at >= BitmapEntry.HeadBytes; i++)
        {
            store.File.Read(head, at);
            BitmapEntry entry = BitmapEntry.Read(head);
            ScanEntry(entry, at, end);
            if (entry.Bytes > end - at)
            {
                return;
            }
            at += entry.Bytes;
            if (at == end && i + 1 == directory.Count)
            {
                return;
            }
        }
        errors.Add($"the bitmap directory at {directory.Offset}: expected {directory.Count} bitmaps in {directory.Bytes} bytes, found others up to byte {at}");
    }

    private void ScanEntry(BitmapEntry entry, ulong at, ulong end)
    {
        string? fault = entry.Bytes > end - at ? "an entry inside the directory" : entry.Fault(_layout, Qcow2Store.WholeSectors(store.Header.Size));
        if ((fault ?? NameFault(entry, at)) is { } wrong)
        {
            errors.Add($"the bitmap directory's entry at {at}: expected {wrong}, found {entry}");
        }
        if (entry.IsTablePossible(_layout) && claim(entry.TableOffset, entry.TableEntries * 8UL))
        {
            ScanTable(entry);
        }
    }

    private string? NameFault(BitmapEntry entry, ulong at)
    {
        byte[] name = new byte[entry.NameBytes];
        store.File.Read(name, at + BitmapEntry.HeadBytes + entry.ExtraBytes);
        if (name.Contains((byte)0))
        {
            return "a name without NUL";
        }
        return _names.Add(Encoding.Latin1.GetString(name)) ? null : "a name that no other bitmap has";
    }

    private void ScanTable(BitmapEntry entry)
    {
        store.File.ForEachWord(entry.TableOffset, entry.TableEntries, (index, word) =>
        {
            ulong offset = word & Qcow2Layout.OffsetMask;
            ulong flags = word & ~Qcow2Layout.OffsetMask;
            if ((flags != 0 && (flags != AllOnes || offset != 0)) || (offset & (_layout.ClusterBytes - 1)) != 0)
            {
                errors.Add($"entry {index} of the bitmap table at {entry.TableOffset}: expected a cluster, or all ones, found {word:x}");
            }
            if (offset != 0)
            {
                claim(offset & ~(_layout.ClusterBytes - 1), _layout.ClusterBytes);
            }
        });
    }
}
