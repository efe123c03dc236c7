// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>The real channel, attached to one ident.</summary>
internal sealed class KernelChannel : IFaultChannel
{
    private readonly CowChannel _channel;
    private readonly WakeEvent _wake = new();
    private readonly string _ident;

    private KernelChannel(CowChannel channel, string ident, AttachInfo info)
    {
        _channel = channel;
        _ident = ident;
        Info = info;
    }

    /// <summary>What the kernel said at the attach.</summary>
    public AttachInfo Info { get; }

    public static KernelChannel Attach(string ident, bool takeover, CowFeatures features = CowFeatures.None)
    {
        CowChannel? channel = CowChannel.Open();
        try
        {
            var attached = new KernelChannel(channel, ident, channel.Attach(ident, takeover, features));
            channel = null;
            return attached;
        }
        finally
        {
            channel?.Dispose();
        }
    }

    public void Wait(int milliseconds)
    {
        ChannelReady ready = _channel.Poll(_wake, milliseconds);
        if (ready.HasFlag(ChannelReady.Woken))
        {
            _wake.Clear();
        }

        if (ready.HasFlag(ChannelReady.Hangup))
        {
            throw new LinuxException(Errno.ESTALE, "poll", _ident, "another controller took this device over");
        }
    }

    public void Wake()
    {
        try
        {
            _wake.Set();
        }
        catch (ObjectDisposedException)
        {
            // The loop has ended, which is all that a wake-up could bring about.
        }
    }

    public int Read(Span<CowEvent> events) => _channel.Read(events);

    public int Write(ReadOnlySpan<CowReply> replies, out Errno refused) => _channel.Write(replies, out refused);

    public void Dispose()
    {
        _channel.Dispose();
        _wake.Dispose();
    }
}
