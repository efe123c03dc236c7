// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Work with a result.</summary>
/// <typeparam name="T">Of the result.</typeparam>
internal sealed class LoopWork<T>(Func<CowEngine, ReplyBuffer, T> job) : LoopWork
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _complete;

    public Task<T> Result => _result.Task;

#pragma warning disable CA1031 // It becomes the failure of whoever asked.
    public override void Do(CowEngine engine, ReplyBuffer replies)
    {
        int mark = replies.Count;
        try
        {
            T result = job(engine, replies);
            _complete = () => _result.TrySetResult(result);
        }
        catch (Exception e)
        {
            replies.Truncate(mark);
            _complete = () => _result.TrySetException(e);
        }
    }
#pragma warning restore CA1031

    public override void Complete() => _complete?.Invoke();

    public override void Cancel() => _result.TrySetCanceled();
}
