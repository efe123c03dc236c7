// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;

namespace Cow.Controller.Cli.Convert;

/// <summary>
/// Takes a disk from a source to a target with some threads. Writing goes in turn, in the order of the disk, so that the same disk always makes the
/// same image; a thread whose slab has not its turn yet leaves it to whoever comes then, and readies another one. Memory:
/// <see cref="SlabsPerThread"/> slabs, and their compressed form, for each thread; fewer of large ones, for which some threads wait.
/// </summary>
/// <remarks>Two threads that wrote at once would gain nothing: the kernel lets one write to a file at a time, and has the other one spin.</remarks>
internal sealed class SlabPipeline : IDisposable
{
    /// <summary>Large enough for long transfers, small enough to stay in a processor's cache.</summary>
    private const int SlabBytes = 1 << 20;

    /// <summary>How far the others get ahead of one that is kept waiting.</summary>
    private const int SlabsPerThread = 4;

    /// <summary>Bytes of all slabs, but for two, of which one is written while the other is filled: a chunk of some formats has 256 MiB.</summary>
    private const int MostBytes = 256 << 20;

    private readonly object _gate = new();
    private readonly SlabReader _planner;
    private readonly ulong _bytes;
    private readonly int _slabBytes;
    private readonly int _mostSlabs;
    private readonly List<Thread> _threads = [];
    private CancellationToken _stop;

    // Guarded by _gate: all that follows.
    private ulong _next;
    private long _tickets;
    private long _turn;
    private bool _writing;
    private int _slabs;
    private readonly Stack<Slab> _free = [];
    private readonly Dictionary<long, Slab> _ready = [];
    private ExceptionDispatchInfo? _failure;

    /// <param name="planner">Says which slabs hold anything; used by one thread at a time.</param>
    /// <param name="bytes">Bytes of the disk.</param>
    /// <param name="target">Where it goes.</param>
    /// <param name="readers">A reader for each thread.</param>
    public SlabPipeline(SlabReader planner, ulong bytes, IConvertTarget target, IReadOnlyList<SlabReader> readers)
    {
        _planner = planner;
        _bytes = bytes;
        _slabBytes = Math.Max(SlabBytes, target.ChunkBytes);
        _mostSlabs = Math.Clamp(MostBytes / _slabBytes, 2, SlabsPerThread * readers.Count);
        foreach (SlabReader reader in readers)
        {
            _threads.Add(new Thread(() => Work(reader, target)) { IsBackground = true });
        }
    }

    /// <summary>Runs to the end.</summary>
    /// <param name="progress">Told several times a second how many bytes of the disk are done.</param>
    /// <param name="stop">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public void Run(Action<ulong> progress, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        _stop = stop;
        _threads.ForEach(static thread => thread.Start());
        foreach (Thread thread in _threads)
        {
            // Not at the gate, where every slab that is done would wake it.
            while (!thread.Join(TimeSpan.FromMilliseconds(100)))
            {
                Observe(progress, stop);
            }
        }

        Observe(progress, stop);
        _failure?.Throw();
    }

    /// <summary>Waits for the threads: nothing of source and target may be closed before.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Fail(new ObjectDisposedException(nameof(SlabPipeline)));
        }

        foreach (Thread thread in _threads.Where(static thread => !thread.ThreadState.HasFlag(ThreadState.Unstarted)))
        {
            thread.Join();
        }
    }

    private void Work(SlabReader reader, IConvertTarget target)
    {
        try
        {
            while (Next(out Slab? slab, out bool ready))
            {
                if (ready)
                {
                    target.Write(slab);
                    EndTurn(slab);
                }
                else
                {
                    reader.Read(slab);
                    target.Prepare(slab);
                    Ready(slab);
                }
            }
        }
#pragma warning disable CA1031 // thrown again by Run, which waits for all threads
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_gate)
            {
                Fail(e);
            }
        }
    }

    private void Observe(Action<ulong> progress, CancellationToken stop)
    {
        ulong done;
        lock (_gate)
        {
            done = _next;
            if (stop.IsCancellationRequested)
            {
                Fail(new OperationCanceledException(stop));
            }
        }

        progress(done);
    }

    /// <summary>Waits for something to do: a slab whose turn it is, else one that is to be filled.</summary>
    /// <returns>False at the end.</returns>
    private bool Next([NotNullWhen(true)] out Slab? slab, out bool ready)
    {
        lock (_gate)
        {
            while (true)
            {
                slab = null;
                ready = _failure is null && !_writing && _ready.Remove(_turn, out slab);
                _writing |= ready;
                if (slab is not null || (_failure is null && TryTake(out slab)))
                {
                    return true;
                }

                if (_failure is not null || (_next == _bytes && _turn == _tickets))
                {
                    return false;
                }

                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Gives a free slab the next part of the disk that holds anything. Called with the gate held.</summary>
    private bool TryTake([NotNullWhen(true)] out Slab? slab)
    {
        slab = null;
        if (_free.Count == 0 && _slabs == _mostSlabs)
        {
            return false;
        }

        if (_next == _bytes || _planner.NextData(_next, _stop) is not { } data)
        {
            _next = _bytes;
            return false;
        }

        if (!_free.TryPop(out slab))
        {
            slab = new Slab(_slabBytes);
            _slabs++;
        }

        slab.Offset = data / (ulong)_slabBytes * (ulong)_slabBytes;
        slab.Length = (int)Math.Min((ulong)_slabBytes, _bytes - slab.Offset);
        slab.Ticket = _tickets++;
        _next = slab.Offset + (ulong)slab.Length;
        return true;
    }

    private void Ready(Slab slab)
    {
        lock (_gate)
        {
            _ready.Add(slab.Ticket, slab);
        }
    }

    private void EndTurn(Slab slab)
    {
        lock (_gate)
        {
            _turn++;
            _writing = false;
            _free.Push(slab);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The first failure counts. Called with the gate held.</summary>
    private void Fail(Exception e)
    {
        _failure ??= ExceptionDispatchInfo.Capture(e);
        Monitor.PulseAll(_gate);
    }
}
