// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>The real channel, attached to one ident.</summary>
internal sealed class KernelChannel : IFaultChannel
{
    private const int PictureMilliseconds = 5_000;

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

    /// <summary>Has the kernel forget an ident that has no table any more, with all that it holds uncommitted of it.</summary>
    public static void Abandon(string ident)
    {
        using KernelChannel channel = Attach(ident, takeover: true);
        Abandon(channel, ident, channel.Info.Generation);
    }

    /// <summary>The same, of a channel that was just attached.</summary>
    internal static void Abandon(IFaultChannel channel, string ident, uint generation)
    {
        var events = new CowEvent[64];
        int count;
        do
        {
            count = channel.Exchange([], events, PictureMilliseconds).Events;
        }
        while (count > 0 && !Array.Exists(events[..count], static e => e.Type == CowEventType.PictureEnd));
        if (channel.Exchange([CowReply.Abandon(generation)], [], 0).Refused is not Errno.None and var error)
        {
            throw new LinuxException(error, "ABANDON", ident);
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
