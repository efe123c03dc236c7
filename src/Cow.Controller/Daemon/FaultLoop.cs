// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>
/// The thread of one device, and the only one that touches its channel and its format. Others hand it work.
/// </summary>
/// <remarks>It never waits for anything but the channel and the store's own files: whoever waits for the device waits for this thread.</remarks>
internal sealed class FaultLoop : IDisposable
{
    private const int StackBytes = 256 << 10;

    private const int EventsPerRead = 256;
    private const int LoadRecords = 256;

    /// <summary>Milliseconds that whoever asks waits at most until all places are told.</summary>
    private const long TellingTakes = 100;

    private readonly IFaultChannel _channel;
    private readonly CowEngine _engine;
    private readonly ICowFormat _format;
    private readonly FaultLoopOptions _options;
    private readonly CommitTimer _timer;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly CowEvent[] _events = new CowEvent[EventsPerRead];
    private readonly ConcurrentQueue<LoopWork> _work = new();
    private readonly List<LoopWork> _done = [];
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ReplyBuffer _replies;
    private ReplyBuffer _instead;
    private BulkLoader? _loader;
    private bool _loaderMade;
    private long _handled;
    private int _nice;
    private volatile bool _toldGone;
    private volatile bool _stopping;

    public FaultLoop(IFaultChannel channel, CowEngine engine, ICowFormat format, FaultLoopOptions options, ILogger log)
    {
        _channel = channel;
        _engine = engine;
        _format = format;
        _options = options;
        _log = log;
        _timer = new CommitTimer(options.CommitInterval);
        _replies = new ReplyBuffer(options.Geometry, options.Indices, options.Generation);
        _instead = new ReplyBuffer(options.Geometry, options.Indices, options.Generation);
        _thread = new Thread(Run, StackBytes) { IsBackground = true, Name = "cow " + options.Name };
    }

    /// <summary>Called from the pool when the last line of the table is gone and all is committed; once, whatever comes of it.</summary>
    public Action? OnGone { get; init; }

    /// <summary>Ends when the kernel knows all that the store knows.</summary>
    public Task Loaded => _loaded.Task;

    /// <summary>Ends with the thread; faulted when the channel was lost.</summary>
    public Task Ended => _ended.Task;

    /// <summary>
    /// The kernel told that no line of the table is left, and nothing came since, or the loop has ended: only then may the mapped device go without
    /// another word. It may be all linear, or have a table that somebody else made. Any thread.
    /// </summary>
    public bool Detached => _toldGone || _ended.Task.IsCompleted;

    /// <summary>Events that were handled: while it stays the same, nothing happened to the device. Any thread.</summary>
    public long Handled => Volatile.Read(ref _handled);

    public void Start()
    {
        _nice = ThreadScheduling.Nice;
        ThreadScheduling.Start(_thread);
    }

    /// <summary>Has the loop's thread do something between two batches, once the picture is adopted. Ends when the kernel has what it replied.</summary>
    public Task<T> Ask<T>(Func<CowEngine, ReplyBuffer, T> job)
    {
        var work = new LoopWork<T>(job);
        _work.Enqueue(work);
        _channel.Wake();
        if (_ended.Task.IsCompleted)
        {
            DrainWork();
        }

        return work.Result;
    }

    /// <summary>As <see cref="Ask"/>, for questions to the store.</summary>
    public Task<T> AskStore<T>(Func<ICowFormat, T> job) => Ask((_, _) => job(_format));

    /// <summary>Tells the kernel once more all that the store knows: the last <c>cow</c> line had gone, and one comes back.</summary>
    public Task<bool> Reload() => Ask((engine, _) =>
    {
        _loader = NewLoader(engine);
        return true;
    });

    /// <summary>On return the thread has ended, the channel is closed, and no reply is on its way.</summary>
    public void Dispose()
    {
        _stopping = true;
        _channel.Wake();
        if (_thread.ThreadState.HasFlag(ThreadState.Unstarted))
        {
            _channel.Dispose();
        }
        else
        {
            _thread.Join();
        }
    }

#pragma warning disable CA1031 // The end of one device's thread, whatever it is, must not be the end of the others.
    private void Run()
    {
        Exception? end = null;
        _ = ThreadScheduling.TrySetNice(_nice);
        if (!_engine.Grants.Served)
        {
            // Each first write asks. Whoever has to share its processor with this thread asks for all that it wants to write before it is answered: twice
            // the writes, 16 at a time; beside a process that only computes, one at a time comes to a tenth less.
            _ = ThreadScheduling.TryYieldToWaker();
        }

        try
        {
            while (!_stopping)
            {
                Turn();
            }
        }
        catch (Exception e)
        {
            end = e;
            EngineLog.ChannelLost(_log, e.Message);
        }

        _channel.Dispose();
        _engine.End();
        Finish(end);
    }
#pragma warning restore CA1031

    private void Finish(Exception? end)
    {
        var why = end ?? new OperationCanceledException("the device's thread has ended");
        _ = _loaded.TrySetException(why);
        // Observed here: nobody need wait for it.
        _ = _loaded.Task.Exception;
        if (end is null)
        {
            _ended.SetResult();
        }
        else
        {
            _ended.SetException(end);
            _ = _ended.Task.Exception;
        }

        _done.ForEach(work => work.Cancel());
        DrainWork();
    }

    private void DrainWork()
    {
        while (_work.TryDequeue(out LoopWork? work))
        {
            work.Cancel();
        }
    }

    /// <summary>
    /// One round; what it replies goes with the wait of the next one. The thread does nothing else, so tests may drive it without one, and
    /// <see cref="Send"/> the rest.
    /// </summary>
    internal void Turn()
    {
        bool loading = Load();
        int count = Exchange(_events, loading || (_engine.PictureComplete && !_work.IsEmpty) ? 0 : _timer.Timeout);
        _engine.Handle(_events.AsSpan(0, count), _replies);
        if (_engine.PictureComplete)
        {
            count += DoWork();
            _timer.Tick(_engine, _replies);
            if (_loaded.Task.IsCompleted && _loader is null)
            {
                _engine.TopUp(_replies, Environment.TickCount64);
            }
        }

        // The next slice of the load takes its time, and whoever asked or is told of the end may close the channel.
        if (_loader is not null || _done.Count > 0 || _engine.Gone != _toldGone)
        {
            Send();
        }

        CompleteWork();
        TellGone();
        Volatile.Write(ref _handled, _handled + count);
    }

    /// <summary>Not before its replies were sent, and not if the stop kept them from it: an ABANDON that was overtaken by the end of the channel would be
    /// thought done.</summary>
    private void CompleteWork()
    {
        if (!_stopping)
        {
            _done.ForEach(work => work.Complete());
            _done.Clear();
        }
    }

    /// <summary>A slice of the bulk load; true when another one follows. Places must not be told before the picture: some of them may be uncommitted to
    /// the kernel.</summary>
    private bool Load()
    {
        if (!_engine.PictureComplete)
        {
            return false;
        }

        if (!_loaderMade)
        {
            _loaderMade = true;
            _loader = _options.BulkLoad ? NewLoader(_engine) : null;
        }

        if (_loader is not null && LoadStep(_loader))
        {
            return true;
        }

        if (_loader is not null)
        {
            Send();
            _loader = null;
        }

        _ = _loaded.TrySetResult();
        return false;
    }

    private BulkLoader NewLoader(CowEngine engine) => new(_options.Geometry, engine.Picture, _options.Features.HasFlag(CowFeatures.Load));

    /// <summary>A store that cannot be walked still answers what it can: the rest is asked for, fault by fault.</summary>
    private bool LoadStep(BulkLoader loader)
    {
        try
        {
            return loader.Step(_format, _replies, LoadRecords);
        }
        catch (Exception e) when (e is ImageFormatException or IOException)
        {
            EngineLog.Trouble(_log, $"the bulk load stops: {e.Message}");
            return false;
        }
    }

    /// <summary>Who asks is answered by an engine that knows of all that was placed before, unless that is very much: of what nothing needs yet the
    /// kernel tells who does not wait.</summary>
    /// <returns>How many events that took.</returns>
    private int DoWork()
    {
        int asked = _work.Count;
        int count = 0;
        long end = Environment.TickCount64 + TellingTakes;
        for (int more = asked == 0 ? 0 : EventsPerRead; more == EventsPerRead && Environment.TickCount64 < end; count += more)
        {
            more = Exchange(_events, 0);
            _engine.Handle(_events.AsSpan(0, more), _replies);
        }

        for (; asked > 0 && _work.TryDequeue(out LoopWork? work); asked--)
        {
            work.Do(_engine, _replies);
            _done.Add(work);
        }

        return count;
    }

    /// <summary>Hands over all replies, and does not wait.</summary>
    internal void Send()
    {
        if (_replies.Count > 0)
        {
            _ = Exchange([], 0);
        }
    }

    /// <summary>Hands over all replies, also what is said instead of those that were refused; only then waits and takes events.</summary>
    /// <returns>How many events; none when the loop stops, and then the rest is not handed over.</returns>
    private int Exchange(Span<CowEvent> events, int milliseconds)
    {
        for (int sent = 0; !_stopping;)
        {
            if (sent == _replies.Count && _instead.Count > 0)
            {
                (_replies, _instead) = (_instead, _replies);
                _instead.Clear();
                sent = 0;
            }

            ExchangeResult result = _channel.Exchange(_replies.Replies[sent..], _instead.Count > 0 ? [] : events, milliseconds);
            sent += result.Accepted;
            if (result.Refused != Errno.None)
            {
                sent += GivesUp(_replies.Replies[sent], result.Refused) ? 1 : 0;
            }
            else if (sent == _replies.Count && _instead.Count == 0)
            {
                _replies.Clear();
                _engine.Delivered();
                return result.Events;
            }
        }

        return 0;
    }

    /// <summary>False when a refused reply is to be tried again.</summary>
    private bool GivesUp(in CowReply reply, Errno refused)
    {
        switch (refused)
        {
            case Errno.ENOMEM or Errno.EAGAIN or Errno.EINTR:
                // Nothing changed, and the kernel asks to be tried again.
                Thread.Sleep(1);
                return false;
            case Errno.ECANCELED:
                // A place of the load was refused, or the last line went meanwhile. What was not told is asked for, fault by fault.
                _loader = null;
                return true;
            case Errno.ESTALE:
                throw new LinuxException(refused, "DM_COW_IOC_EXCHANGE", _options.Name, "another controller took this device over");
            default:
                _engine.Refused(reply, refused, _instead);
                return true;
        }
    }

    private void TellGone()
    {
        bool gone = _engine.Gone;
        if (gone && !_toldGone && OnGone is { } tell)
        {
            _ = ThreadPool.UnsafeQueueUserWorkItem(static tell => tell(), tell, preferLocal: false);
        }

        _toldGone = gone;
    }
}
