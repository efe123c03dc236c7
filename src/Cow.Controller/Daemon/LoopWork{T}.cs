// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Work with a result.</summary>
/// <typeparam name="T">Of the result.</typeparam>
internal sealed class LoopWork<T>(Func<CowEngine, ReplyBuffer, T> job) : LoopWork
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Result => _result.Task;

#pragma warning disable CA1031 // It becomes the failure of whoever asked.
    public override void Do(CowEngine engine, ReplyBuffer replies)
    {
        int mark = replies.Count;
        try
        {
            _result.SetResult(job(engine, replies));
        }
        catch (Exception e)
        {
            replies.Truncate(mark);
            _result.SetException(e);
        }
    }
#pragma warning restore CA1031

    public override void Cancel() => _result.TrySetCanceled();
}
