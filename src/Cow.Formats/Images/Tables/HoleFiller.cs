// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Moves what lies last in a file into the holes before it, when it is closed: no record says that they are free, so they would be lost.</summary>
/// <remarks>What moves is durable at its new place before it is named there, and named there, durably, before the file ends before its old one: a
/// crash in between leaves lost space, nothing else. No more is copied than was reserved and not used.</remarks>
internal sealed class HoleFiller(TwoLevelMap map, TwoLevelMap? mirror, TailSpace space)
{
    private const int CopyBytes = 64 * 1024;

    // The last pieces, as many as there are holes, and one more, which says where the file ends then.
    private readonly PriorityQueue<Piece, long> _last = new();
    private readonly int _entryBytes = map.Codec.EntryBytes;
    private ulong _holes;
    private long _firstHole;

    private enum PieceKind
    {
        Chunk,
        Table,
        MirrorTable,

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
        List<Move> moves = Plan(out long end);
        // First the tables, so that the entries of chunks are changed where the tables are then.
        MoveTables(moves.FindAll(move => move.Piece.Kind != PieceKind.Chunk));
        MoveChunks(moves.FindAll(move => move.Piece.Kind == PieceKind.Chunk));
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
        Note(new Piece(map.TableBytes > space.UnitBytes ? PieceKind.Fixed : kind, table, at, map.TableBytes));

    private void NoteChunk(ulong chunk, TableEntry entry)
    {
        if (entry.Kind is TableEntryKind.Data or TableEntryKind.Packed && map.Fault(entry) is null)
        {
            Note(new Piece(entry.Kind == TableEntryKind.Data ? PieceKind.Chunk : PieceKind.Fixed, chunk, entry.Offset, entry.Length));
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

    /// <summary>Gives the last pieces the first holes.</summary>
    /// <param name="end">Where everything ends then.</param>
    private List<Move> Plan(out long end)
    {
        Piece[] pieces = new Piece[_last.Count];
        for (int i = pieces.Length - 1; i >= 0; i--)
        {
            pieces[i] = _last.Dequeue();
        }
        List<Move> moves = [];
        end = _firstHole;
        foreach (Piece piece in pieces)
        {
            if (piece.Kind == PieceKind.Fixed || !space.TryTakeBefore(piece.Offset, out long to))
            {
                end = Math.Max(end, piece.Offset + piece.Length);
                break;
            }
            moves.Add(new Move(piece, to));
            end = Math.Max(end, to + piece.Length);
        }
        return moves;
    }

    private void MoveTables(List<Move> moves)
    {
        if (moves.Count == 0)
        {
            return;
        }
        Copy(moves);
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

    private void MoveChunks(List<Move> moves)
    {
        if (moves.Count == 0)
        {
            return;
        }
        Copy(moves);
        Name(map, moves);
        if (mirror is not null)
        {
            Name(mirror, moves);
        }
        map.File.Flush();
    }

    private void Name(TwoLevelMap of, List<Move> moves)
    {
        SectorWriter writer = new(of.File);
        foreach (Move move in moves)
        {
            ulong slot = move.Piece.Number % of.Geometry.TableEntries;
            long at = of.TableAt(move.Piece.Number / of.Geometry.TableEntries) + ((long)slot * _entryBytes);
            of.Codec.Store(writer.Field(at, _entryBytes), of.Codec.Encode(move.To));
        }
        writer.Done();
    }

    private void Copy(List<Move> moves)
    {
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
        long zeros = Math.Min(ZerosAt(move.Piece.Offset + done), ZerosAt(move.To + done));
        return done + (zeros / 512 * 512);
    }

    private long ZerosAt(long offset)
    {
        long next = offset < map.File.Length ? map.File.Uncached.NextData(offset) : offset;
        return (next < map.File.Length ? next : long.MaxValue) - offset;
    }

    private TwoLevelMap Mirror => mirror ?? throw new InvalidOperationException("no copies of tables are kept");

    private readonly record struct Piece(PieceKind Kind, ulong Number, long Offset, long Length);

    private readonly record struct Move(Piece Piece, long To);
}
