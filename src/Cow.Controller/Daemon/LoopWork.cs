// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Something that the loop's thread does for another thread.</summary>
internal abstract class LoopWork
{
    public abstract void Do(CowEngine engine, ReplyBuffer replies);

    /// <summary>What it replied is with the kernel: from now on whoever asked may go on.</summary>
    public abstract void Complete();

    /// <summary>The loop has ended.</summary>
    public abstract void Cancel();
}
