// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Moves what lies last in a file into the holes before it, when it is closed: no record says that they are free, so they would be lost.</summary>
/// <remarks>What moves is durable at its new place before it is named there, and named there, durably, before the file ends before its old one: a
/// crash in between leaves lost space, nothing else. No more is copied than was reserved and not used.</remarks>
/// <param name="map">The map.</param>
/// <param name="mirror">A second directory with tables of its own, or null.</param>
/// <param name="space">Where the holes are.</param>
/// <param name="beforeMoving">Called before anything is written, if something is; null for nobody.</param>
internal sealed class HoleFiller(TwoLevelMap map, TwoLevelMap? mirror, TailSpace space, Action? beforeMoving)
{
    private const int CopyBytes = 64 * 1024;

    // The last pieces, as many as there are holes, and one more, which says where the file ends then.
    private PriorityQueue<Piece, long> _last = new();
    private readonly int _entryBytes = map.Codec.EntryBytes;
    private ulong _holes;
    private long _firstHole;

    // Holes of the file, where pieces come from and go to, as far as they were asked for.
    private (long Start, long End) _holeFrom;
    private (long Start, long End) _holeTo;

    private enum PieceKind
    {
        // Tables move first, so that the entries of chunks are changed where the tables are then.
        Table,
        MirrorTable,
        Chunk,

        /// <summary>It stays where it is.</summary>
        Fixed,
    }

    /// <summary>Fills the holes, as far as what lies behind them can be moved.</summary>
    public void Run()
    {
        _holes = space.CountHoles(out _firstHole);
        if (_holes == 0)
        {
            return;
        }
        NotePieces();
        Move[] moves = TakeLast();
        Span<Move> planned = moves.AsSpan(0, Plan(moves, out long end));
        if (!planned.IsEmpty)
        {
            beforeMoving?.Invoke();
        }
        Copy(planned);
        // What names them lies in the order of their numbers, and is written by sectors.
        planned.Sort(static (a, b) => a.Piece.Kind != b.Piece.Kind ? a.Piece.Kind - b.Piece.Kind : a.Piece.Number.CompareTo(b.Piece.Number));
        int tables = 0;
        while (tables < planned.Length && planned[tables].Piece.Kind != PieceKind.Chunk)
        {
            tables++;
        }
        NameTables(planned[..tables]);
        NameChunks(planned[tables..]);
        space.KeepOnly(end);
    }

    private void NotePieces()
    {
        map.ForEachTable((table, at, bytes) =>
        {
            NoteTable(PieceKind.Table, table, at);
            for (int i = 0; i < bytes.Length; i += _entryBytes)
            {
                NoteChunk((table * map.Geometry.TableEntries) + (ulong)(i / _entryBytes), map.Codec.Decode(map.Codec.Load(bytes.AsSpan(i))));
            }
        });
        mirror?.ForEachPlace((table, at) => NoteTable(PieceKind.MirrorTable, table, at));
    }

    private void NoteTable(PieceKind kind, ulong table, long at) =>
        Note(new Piece(map.TableBytes > space.UnitBytes ? PieceKind.Fixed : kind, table, at, (uint)map.TableBytes));

    private void NoteChunk(ulong chunk, TableEntry entry)
    {
        if (entry.Kind is TableEntryKind.Data or TableEntryKind.Packed && map.Fault(entry) is null)
        {
            Note(new Piece(entry.Kind == TableEntryKind.Data ? PieceKind.Chunk : PieceKind.Fixed, chunk, entry.Offset, (uint)entry.Length));
        }
    }

    private void Note(Piece piece)
    {
        if (piece.Offset < _firstHole)
        {
            return;
        }
        _last.Enqueue(piece, piece.Offset);
        if ((ulong)_last.Count > _holes + 1)
        {
            _last.Dequeue();
        }
    }

    /// <summary>The pieces that were noted, the last one first, without a place to go to yet.</summary>
    private Move[] TakeLast()
    {
        Move[] moves = new Move[_last.Count];
        for (int i = moves.Length - 1; i >= 0; i--)
        {
            moves[i] = new Move(_last.Dequeue(), 0);
        }
        // There can be millions.
        _last = new();
        return moves;
    }

    /// <summary>Gives the last pieces the first holes.</summary>
    /// <param name="moves">All pieces that may move.</param>
    /// <param name="end">Where everything ends then.</param>
    /// <returns>How many move.</returns>
    private int Plan(Span<Move> moves, out long end)
    {
        int count = 0;
        while (count < moves.Length && moves[count].Piece.Kind != PieceKind.Fixed && space.TryTakeBefore(moves[count].Piece.Offset, out long to))
        {
            moves[count] = new Move(moves[count].Piece, to);
            count++;
        }
        end = count < moves.Length ? moves[count].Piece.Offset + moves[count].Piece.Length : _firstHole;
        // All of these holes lie before all of these pieces: whichever goes where, and this way both are gone through in the order of the file.
        for (int i = 0; i < count / 2; i++)
        {
            (moves[i], moves[count - 1 - i]) = (new Move(moves[count - 1 - i].Piece, moves[i].To), new Move(moves[i].Piece, moves[count - 1 - i].To));
        }
        foreach (Move move in moves[..count])
        {
            end = Math.Max(end, move.To + move.Piece.Length);
        }
        return count;
    }

    private void NameTables(ReadOnlySpan<Move> moves)
    {
        if (moves.IsEmpty)
        {
            return;
        }
        SectorWriter writer = new(map.File);
        foreach (Move move in moves)
        {
            TwoLevelMap of = move.Piece.Kind == PieceKind.Table ? map : Mirror;
            of.Codec.Store(writer.Field(of.DirectoryEntryAt(move.Piece.Number), _entryBytes), of.Codec.DirectoryEntry(move.To));
            of.DirectoryChanged();
        }
        writer.Done();
        map.File.Flush();
    }

    private void NameChunks(ReadOnlySpan<Move> moves)
    {
        if (moves.IsEmpty)
        {
            return;
        }
        NameChunks(map, moves);
        if (mirror is not null)
        {
            NameChunks(mirror, moves);
        }
        map.File.Flush();
    }

    private void NameChunks(TwoLevelMap of, ReadOnlySpan<Move> moves)
    {
        SectorWriter writer = new(of.File);
        foreach (Move move in moves)
        {
            ulong slot = move.Piece.Number % of.Geometry.TableEntries;
            // A damaged image may lack the copy of a table.
            if (of.TableAt(move.Piece.Number / of.Geometry.TableEntries) is long table and not 0)
            {
                of.Codec.Store(writer.Field(table + ((long)slot * _entryBytes), _entryBytes), of.Codec.Encode(move.To));
            }
        }
        writer.Done();
    }

    /// <summary>Copies pieces in the order of the file. Durable on return.</summary>
    private void Copy(ReadOnlySpan<Move> moves)
    {
        if (moves.IsEmpty)
        {
            return;
        }
        byte[] bytes = new byte[Math.Min(CopyBytes, space.UnitBytes)];
        // A file system may call a hole what is not yet on the disk.
        map.File.Flush();
        foreach (Move move in moves)
        {
            for (long done = ZerosOnBothSides(move, 0); done < move.Piece.Length; done = ZerosOnBothSides(move, done + bytes.Length))
            {
                // The last chunk may be cut by the end of the file, and a table may end inside of a sector.
                long from = move.Piece.Offset + done;
                int present = (int)Math.Clamp(Math.Min(move.Piece.Length - done, map.File.Length - from), 0, bytes.Length);
                int whole = (int)Math.Min(bytes.Length, (move.Piece.Length - done + 511) / 512 * 512);
                map.File.Uncached.ReadAt(bytes.AsSpan(0, present), from);
                bytes.AsSpan(present).Clear();
                map.File.WriteAt(bytes.AsSpan(0, whole), move.To + done);
            }
        }
        map.File.Flush();
    }

    /// <summary>How far a piece need not be copied: it is in a hole, and goes to one.</summary>
    /// <returns>Bytes of it before what is to be copied.</returns>
    private long ZerosOnBothSides(Move move, long done)
    {
        long zeros = Math.Min(ZerosAt(ref _holeFrom, move.Piece.Offset + done), ZerosAt(ref _holeTo, move.To + done));
        return done + (zeros / 512 * 512);
    }

    /// <summary>Zeros from an offset on. Whoever goes through many pieces in one hole asks once.</summary>
    private long ZerosAt(ref (long Start, long End) hole, long offset)
    {
        if (offset < hole.Start || offset >= hole.End)
        {
            long next = offset < map.File.Length ? map.File.Uncached.NextData(offset) : offset;
            hole = (offset, next < map.File.Length ? next : long.MaxValue);
        }
        return hole.End - offset;
    }

    private TwoLevelMap Mirror => mirror ?? throw new InvalidOperationException("no copies of tables are kept");

    private readonly record struct Piece(PieceKind Kind, ulong Number, long Offset, uint Length);

    private readonly record struct Move(Piece Piece, long To);
}
