// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Something that the loop's thread does for another thread.</summary>
internal abstract class LoopWork
{
    public abstract void Do(CowEngine engine, ReplyBuffer replies);

    /// <summary>The loop has ended.</summary>
    public abstract void Cancel();
}
