// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vmdk;

/// <summary>
/// The redundant grain directory and its tables. They say what the primary ones say; after a crash they may be one commit apart, in either
/// direction, and either is right then: what is named is durable before.
/// </summary>
internal sealed class TableMirror
{
    private const int MostProblems = 100;

    private readonly TwoLevelMap _primary;
    private readonly List<ImageFormatException> _problems = [];

    // Tables that lack a copy, and where that goes.
    private readonly List<(ulong Table, long At)> _missing = [];
    private byte[] _copy = [];

    /// <summary>Takes both maps.</summary>
    public TableMirror(TwoLevelMap primary, TwoLevelMap map) => (_primary, Map) = (primary, map);

    /// <summary>The redundant tables as a map.</summary>
    public TwoLevelMap Map { get; }

    /// <summary>Keeps what is wrong with the directory for later, since reading does not need it.</summary>
    public void Note(long entryAt, string expected, ulong entry)
    {
        if (_problems.Count < MostProblems)
        {
            _problems.Add(Expect.Error(Map.File, entryAt, expected, entry));
        }
    }

    /// <summary>Refuses a directory that names what it may not.</summary>
    /// <exception cref="ImageFormatException">It does.</exception>
    public void RequireSound()
    {
        if (_problems.Count > 0)
        {
            throw _problems[0];
        }
    }

    /// <summary>Notes what is wrong.</summary>
    /// <param name="check">Gets the findings.</param>
    /// <param name="unclean">A crash explains a difference: then it is lost work for whoever opens it writable next, not a damage.</param>
    public void Check(TableCheck check, bool unclean)
    {
        _problems.ForEach(problem => check.Errors.Add(problem.Message));
        if (_problems.Count > 0)
        {
            return;
        }
        Sentences note = unclean ? check.Leaks : check.Errors;
        Compare(
            (table, _, mirrorAt) => note.Add($"{Map.File.Name}: grain table {table} has {(mirrorAt == 0 ? "no redundant copy" : "a redundant copy only")}"),
            (at, mirrorAt, entry, mirrorEntry) => note.Add($"{Map.File.Name}: the entry at byte {at} is {entry}, its redundant copy at byte {mirrorAt} is {mirrorEntry}"));
    }

    /// <summary>Changes a primary table in memory to what <see cref="Repair"/> makes of it.</summary>
    /// <param name="table">Its number.</param>
    /// <param name="bytes">The table; empty where it is a hole, which has no entry that cannot be true.</param>
    public void Mend(ulong table, byte[] bytes)
    {
        long copyAt = bytes.Length == 0 ? 0 : Map.TableAt(table);
        if (copyAt == 0)
        {
            return;
        }
        _copy = _copy.Length == bytes.Length ? _copy : new byte[bytes.Length];
        Map.File.Uncached.ReadAt(_copy, copyAt);
        for (int at = 0; at < bytes.Length; at += Map.Codec.EntryBytes)
        {
            ulong entry = Map.Codec.Load(bytes.AsSpan(at));
            ulong copied = Map.Codec.Load(_copy.AsSpan(at));
            if (entry != copied && !PrimaryCounts(entry, copied))
            {
                Map.Codec.Store(bytes.AsSpan(at), copied);
            }
        }
    }

    /// <summary>Finds room for the redundant tables that are missing. Writes nothing.</summary>
    /// <param name="space">Where they get their places.</param>
    /// <exception cref="ImageFormatException">There is no room.</exception>
    public void PlaceCopies(TailSpace space) => _primary.ForEachPlace((table, _) =>
    {
        if (Map.TableAt(table) == 0)
        {
            bool room = space.TryTakeWhole(CopyBytes, out long at);
            Expect.That(room, Map.File, Map.DirectoryEntryAt(table), "a redundant grain table, or room for one where an entry can name it", "neither");
            _missing.Add((table, at));
        }
    });

    /// <summary>Makes both equal again after a crash. The primary entry counts, unless it cannot be true and the other one can. Durable on return.</summary>
    /// <param name="space">Where <see cref="PlaceCopies"/> found room.</param>
    public void Repair(TailSpace space)
    {
        // One for each side: entries that are taken from either change sectors of both by turns.
        SectorWriter writer = new(Map.File);
        SectorWriter mirrorWriter = new(Map.File);
        List<long> dropped = [];
        Compare(
            (table, _, mirrorAt) =>
            {
                if (mirrorAt != 0)
                {
                    Map.Codec.Store(mirrorWriter.Field(Map.DirectoryEntryAt(table), Map.Codec.EntryBytes), 0);
                    dropped.Add(mirrorAt);
                }
            },
            (at, mirrorAt, entry, mirrorEntry) =>
            {
                bool primary = PrimaryCounts(entry, mirrorEntry);
                Map.Codec.Store((primary ? mirrorWriter : writer).Field(primary ? mirrorAt : at, Map.Codec.EntryBytes), primary ? entry : mirrorEntry);
            });
        if (_missing.Count > 0)
        {
            AddCopies(space, mirrorWriter);
        }
        writer.Done();
        mirrorWriter.Done();
        Map.DirectoryChanged();
        Map.File.Flush();
        // Nothing names them any more, durably: their places are as good as any.
        Map.Metadata.Remove(dropped, Map.TableBytes);
    }

    private int CopyBytes => (Map.TableBytes + 511) / 512 * 512;

    private bool PrimaryCounts(ulong entry, ulong copied) => Good(entry) || !Good(copied);

    private bool Good(ulong entry) => _primary.Fault(_primary.Codec.Decode(entry)) is null;

    /// <summary>Makes copies of tables. All are durable before one is named.</summary>
    private void AddCopies(TailSpace space, SectorWriter writer)
    {
        byte[] bytes = new byte[CopyBytes];
        foreach ((ulong table, long at) in _missing)
        {
            if (!_primary.IsHole(_primary.TableAt(table)))
            {
                Map.File.Uncached.ReadAt(bytes.AsSpan(0, Map.TableBytes), _primary.TableAt(table));
                Map.File.WriteAt(bytes, at);
            }
        }
        // Nothing was free before the end of the file, so what was not written is zeros.
        Map.File.SetLength(Math.Max(Map.File.Length, _missing[^1].At + bytes.Length));
        Map.File.Flush();
        foreach ((ulong table, long at) in _missing)
        {
            Map.Codec.Store(writer.Field(Map.DirectoryEntryAt(table), Map.Codec.EntryBytes), Map.Codec.DirectoryEntry(at));
            Map.Metadata.TryAdd(at, Map.TableBytes);
            space.Keep(at, bytes.Length);
        }
    }

    /// <summary>Finds differences.</summary>
    /// <param name="lonely">Gets a table that only one directory has, and its byte offset in both, 0 for none.</param>
    /// <param name="differ">Gets the byte offsets of two entries, and the entries.</param>
    private void Compare(Action<ulong, long, long> lonely, Action<long, long, ulong, ulong> differ)
    {
        byte[] ours = new byte[Map.TableBytes];
        byte[] theirs = new byte[Map.TableBytes];
        _primary.ForEachPlace((table, at) =>
        {
            long mirrorAt = Map.TableAt(table);
            if (mirrorAt == 0)
            {
                lonely(table, at, 0);
            }
            else if (!_primary.IsHole(at) || !Map.IsHole(mirrorAt))
            {
                Map.File.Uncached.ReadAt(ours, at);
                Map.File.Uncached.ReadAt(theirs, mirrorAt);
                if (!ours.AsSpan().SequenceEqual(theirs))
                {
                    Differences(ours, theirs, at, mirrorAt, differ);
                }
            }
        });
        Map.ForEachPlace((table, mirrorAt) =>
        {
            if (_primary.TableAt(table) == 0)
            {
                lonely(table, 0, mirrorAt);
            }
        });
    }

    private void Differences(byte[] ours, byte[] theirs, long at, long mirrorAt, Action<long, long, ulong, ulong> differ)
    {
        int size = Map.Codec.EntryBytes;
        for (int i = 0; i < ours.Length; i += size)
        {
            ulong entry = Map.Codec.Load(ours.AsSpan(i));
            ulong mirrorEntry = Map.Codec.Load(theirs.AsSpan(i));
            if (entry != mirrorEntry)
            {
                differ(at + i, mirrorAt + i, entry, mirrorEntry);
            }
        }
    }
}
