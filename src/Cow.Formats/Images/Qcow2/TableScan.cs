// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>Goes through the entries of L2 tables that are not all zeros, and reads nothing where the file has a hole. Used again and again.</summary>
internal sealed class TableScan(Qcow2Store store)
{
    /// <summary>Bytes read at once: of a large table in a sparse file most may be a hole.</summary>
    public const int MostBytes = 64 << 10;

    private readonly Qcow2Layout _layout = store.Layout;
    private readonly byte[] _batch = new byte[Math.Min(MostBytes, (int)store.Layout.ClusterBytes)];
    private ulong _table;
    private ulong _next;
    private int _slot;

    /// <summary>Judges entries of the active tables.</summary>
    public ClusterMap Map { get; } = new(store, active: true);

    /// <summary>Begins a table.</summary>
    public void Start(ulong table) => (_table, _next, _slot) = (table, 0, 0);

    /// <summary>The next entry.</summary>
    /// <param name="index">Its number in the table.</param>
    /// <param name="entry">The entry.</param>
    /// <returns>False where there is none.</returns>
    public bool TryNext(out int index, out L2Entry entry)
    {
        while (_next == 0 || !_layout.TryNextEntry(_batch, ref _slot))
        {
            if (!TryRead())
            {
                (index, entry) = (0, default);
                return false;
            }
        }
        index = (int)((_next - (ulong)_batch.Length) >> _layout.EntryBits) + _slot;
        entry = Map.Decode(_batch.AsSpan(_slot << _layout.EntryBits));
        _slot++;
        return true;
    }

    private bool TryRead()
    {
        while (_next < _layout.ClusterBytes && store.File.IsHole(_table + _next, (ulong)_batch.Length))
        {
            _next += (ulong)_batch.Length;
        }
        if (_next == _layout.ClusterBytes)
        {
            return false;
        }
        store.File.Read(_batch, _table + _next);
        _next += (ulong)_batch.Length;
        _slot = 0;
        return true;
    }
}
