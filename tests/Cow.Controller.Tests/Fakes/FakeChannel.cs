// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>An attached file of the fake kernel. Never waits: the test drives the loop turn by turn.</summary>
internal sealed class FakeChannel(FakeKernel kernel, ulong epoch, KillSwitch killSwitch) : IFaultChannel
{
    public ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int milliseconds)
    {
        int accepted = 0;
        Errno refused = Errno.None;
        if (replies.Length > 0)
        {
            killSwitch.Hit();
            accepted = kernel.Write(epoch, replies, out refused);
        }

        bool all = accepted == replies.Length && !events.IsEmpty;
        return new ExchangeResult(accepted, all ? kernel.Read(epoch, events, milliseconds == 0) : 0, refused);
    }

    public void Wake()
    {
    }

    public void Dispose() => kernel.Detach(epoch);
}
