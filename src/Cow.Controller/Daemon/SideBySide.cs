// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Begins what may take long, some at a time, and waits for its ends, but not for those that do not come.</summary>
/// <param name="atOnce">So many at a time; and another one for each pause in which none ended, for what hangs is to hold up nothing.</param>
/// <param name="pause">How long one is waited for before that.</param>
/// <param name="pauses">After so many of them, one after the other, nobody waits any more, and nothing more is begun.</param>
internal sealed class SideBySide(int atOnce, TimeSpan pause, int pauses)
{
    private readonly List<Task> _running = [];
    private int _more;
    private int _inVain;

    /// <summary>Begins it, as soon as there is a place for it.</summary>
    /// <param name="begin">Begins it; null where there is nothing to be waited for.</param>
    public void Begin(Func<Task?> begin)
    {
        while (_running.Count >= atOnce + _more && _inVain < pauses)
        {
            AwaitOne();
        }

        if (_inVain < pauses && begin() is { } task)
        {
            _running.Add(task);
        }
    }

    /// <summary>On return all have ended, except for those that hang.</summary>
    public void Wait()
    {
        while (_running.Count > 0 && _inVain < pauses)
        {
            AwaitOne();
        }
    }

    private void AwaitOne()
    {
        int ended = Task.WaitAny([.. _running], pause);
        if (ended < 0)
        {
            _more++;
            _inVain++;
        }
        else
        {
            _running.RemoveAt(ended);
            _inVain = 0;
        }
    }
}
