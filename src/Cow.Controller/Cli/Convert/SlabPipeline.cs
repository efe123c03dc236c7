// SPDX-License-Identifier: MIT
using System.Runtime.ExceptionServices;

namespace Cow.Controller.Cli.Convert;

/// <summary>
/// Takes a disk from a source to a target with some threads. Each reads, compresses and writes one slab at a time; only finding places goes in turn, in
/// the order of the disk, so that the same disk always makes the same image. Memory: a slab, and its compressed form, for each thread.
/// </summary>
internal sealed class SlabPipeline : IDisposable
{
    /// <summary>Large enough for long transfers, small enough to stay in a processor's cache.</summary>
    private const int SlabBytes = 1 << 20;

    private readonly object _gate = new();
    private readonly SlabReader _planner;
    private readonly ulong _bytes;
    private readonly int _slabBytes;
    private readonly List<Thread> _threads = [];

    // Guarded by _gate: all that follows.
    private ulong _next;
    private long _tickets;
    private long _turn;
    private int _running;
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
        _running = _threads.Count;
        _threads.ForEach(static thread => thread.Start());
        lock (_gate)
        {
            while (_running > 0)
            {
                Monitor.Wait(_gate, TimeSpan.FromMilliseconds(100));
                if (stop.IsCancellationRequested)
                {
                    Fail(new OperationCanceledException(stop));
                }

                progress(_next);
            }
        }

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
            using ISlabWriter writer = target.NewWriter();
            Slab slab = new(_slabBytes);
            while (Take(slab))
            {
                reader.Read(slab);
                writer.Prepare(slab);
                if (!AwaitTurn(slab.Ticket))
                {
                    break;
                }

                writer.Place(slab);
                EndTurn();
                writer.Write(slab);
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
        finally
        {
            lock (_gate)
            {
                _running--;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Gives a slab the next part of the disk that holds anything.</summary>
    private bool Take(Slab slab)
    {
        lock (_gate)
        {
            if (_failure is not null || _planner.NextData(_next) is not { } data)
            {
                _next = _bytes;
                return false;
            }

            slab.Offset = data / (ulong)_slabBytes * (ulong)_slabBytes;
            slab.Length = (int)Math.Min((ulong)_slabBytes, _bytes - slab.Offset);
            slab.Ticket = _tickets++;
            _next = slab.Offset + (ulong)slab.Length;
            return true;
        }
    }

    private bool AwaitTurn(long ticket)
    {
        lock (_gate)
        {
            while (_turn != ticket && _failure is null)
            {
                Monitor.Wait(_gate);
            }

            return _failure is null;
        }
    }

    private void EndTurn()
    {
        lock (_gate)
        {
            _turn++;
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
