// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>The real channel, attached to one ident.</summary>
internal sealed class KernelChannel : IFaultChannel
{
    private readonly CowChannel _channel;

    private KernelChannel(CowChannel channel, AttachInfo info)
    {
        _channel = channel;
        Info = info;
    }

    /// <summary>What the kernel said at the attach.</summary>
    public AttachInfo Info { get; }

    public static KernelChannel Attach(string ident, bool takeover, CowFeatures features = CowFeatures.None)
    {
        CowChannel? channel = CowChannel.Open();
        try
        {
            var attached = new KernelChannel(channel, channel.Attach(ident, takeover, features));
            channel = null;
            return attached;
        }
        finally
        {
            channel?.Dispose();
        }
    }

    public ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int milliseconds) =>
        _channel.Exchange(replies, events, milliseconds);

    public void Wake()
    {
        try
        {
            _channel.Wake();
        }
        catch (ObjectDisposedException)
        {
            // The loop has ended, which is all that a wake-up could bring about.
        }
    }

    public void Dispose() => _channel.Dispose();
}
