// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// A controller's end of /dev/dm-cow; what the records mean says PROTOCOL.md. One channel serves one ident and belongs
/// to one thread, which alone closes it (closing gives unanswered faults back to the kernel); only
/// <see cref="Wake"/> may also be called from others. Exchange and Wake allocate nothing.
/// </summary>
public sealed class CowChannel : IDisposable
{
    private const string NodePath = "/dev/dm-cow";
    private const string OtherVersion = "module and program are of different versions";
    private readonly SafeFileHandle _handle;
    private string _ident = NodePath;

    /// <summary>Takes an open descriptor; tests give another one than that of the node.</summary>
    internal CowChannel(SafeFileHandle handle) => _handle = handle;

    /// <summary>
    /// Process id of the controller that was attached before <see cref="Attach"/>, also where that failed with
    /// EBUSY; 0 where there was none.
    /// </summary>
    public uint Owner { get; private set; }

    /// <summary>Opens the node; a missing one says how to load the module.</summary>
    public static CowChannel Open() => new(OpenNode());

    /// <summary>All idents that the module holds. Opens the node for itself.</summary>
    public static IReadOnlyList<CowListEntry> List()
    {
        using var node = OpenNode();
        var entries = new List<CowListEntry>();
        var record = default(CowList);
        while (Next(node, ref record) is { } entry)
        {
            entries.Add(entry);
        }

        return entries;
    }

    /// <summary>
    /// What the module holds under an ident; null where it has none of that name. However many others there are, it is
    /// one call. Opens the node for itself.
    /// </summary>
    /// <param name="ident">1 to 127 bytes.</param>
    public static CowListEntry? Find(string ident)
    {
        ArgumentException.ThrowIfNullOrEmpty(ident);
        using var node = OpenNode();
        var record = default(CowList);
        WriteBefore(ident, record.Ident);
        return Next(node, ref record) is { } entry && entry.Ident == ident ? entry : null;
    }

    /// <summary>
    /// Names the ident and does the handshake; once for each channel. ENOENT: no such ident. EBUSY: another
    /// controller serves it, see <see cref="Owner"/>. EPROTO: module and program are of different versions.
    /// </summary>
    /// <param name="ident">1 to 127 bytes.</param>
    /// <param name="takeover">Detach the one that serves. That does not end its process: do so, and wait for its
    /// end, before the store is opened.</param>
    /// <param name="features">Those that the caller can use; the answer says which of them are served.</param>
    public AttachInfo Attach(string ident, bool takeover, CowFeatures features = CowFeatures.None)
    {
        ArgumentException.ThrowIfNullOrEmpty(ident);
        var record = new CowAttach
        {
            Version = CowProtocol.AbiVersion,
            EventSize = (uint)Unsafe.SizeOf<CowEvent>(),
            ReplySize = (uint)Unsafe.SizeOf<CowReply>(),
            Flags = takeover ? CowNumbers.AttachTakeover : 0,
            Features = (ulong)features,
        };
        CText.Write(ident, record.Ident);
        Handshake(ref record, ident);
        _ident = ident;
        return new AttachInfo
        {
            Features = (CowFeatures)record.Features, State = record.State, Generation = record.Generation,
            Epoch = record.Epoch, ChunkSize = new Sectors(record.ChunkSectors), Size = new Sectors(record.Sectors),
            Number = record.Number, Uncommitted = record.Uncommitted, Owner = record.Owner,
            Devices = record.Devices,
        };
    }

    /// <summary>
    /// Sends replies; when all were accepted, waits until there is something to read, <see cref="Wake"/> was called or
    /// the time is over; and takes events. Refusals are values, not exceptions: PROTOCOL.md section 4 lists them, and
    /// says that a refused record has changed nothing. ESTALE: another controller took over.
    /// </summary>
    /// <param name="replies">In order.</param>
    /// <param name="events">Room for events; with none, it neither waits nor reads.</param>
    /// <param name="timeoutMs">At most so long; -1 for ever, 0 not at all. A signal ends the wait, too.</param>
    public ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int timeoutMs)
    {
        var error = TryExchange(replies, events, timeoutMs, out var result);
        return error == Errno.None ? result : throw new LinuxException(error, "DM_COW_IOC_EXCHANGE", _ident, error switch
        {
            Errno.ESTALE => "another controller took this device over",
            Errno.ENOTTY => OtherVersion,
            _ => null,
        });
    }

    /// <summary>As <see cref="Exchange"/>, but that failures of the call are values, too.</summary>
    internal unsafe Errno TryExchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int timeoutMs,
        out ExchangeResult result)
    {
        fixed (CowReply* all = replies)
        fixed (CowEvent* room = events)
        {
            var record = new CowExchange
            {
                Replies = (ulong)all, NrReplies = (uint)replies.Length,
                Events = (ulong)room, NrEvents = (uint)events.Length, TimeoutMs = timeoutMs,
            };
            int status;
            do
            {
                status = LibC.Ioctl(_handle, CowNumbers.Exchange, &record);
            }
            while (Syscall.Interrupted(status));
            result = new ExchangeResult((int)record.NrReplies, (int)record.NrEvents, record.Error);
            return status < 0 ? Syscall.LastError : Errno.None;
        }
    }

    /// <summary>
    /// Ends the wait of an <see cref="Exchange"/> on another thread, the one under way or else the next. Any thread.
    /// </summary>
    public void Wake()
    {
        int status;
        do
        {
            status = LibC.Ioctl(_handle, CowNumbers.Wake, 0);
        }
        while (Syscall.Interrupted(status));
        Syscall.Check(status, "DM_COW_IOC_WAKE", _ident);
    }

    /// <summary>Closes the channel: unanswered faults go back to the kernel's queue.</summary>
    public void Dispose() => _handle.Dispose();

    private static SafeFileHandle OpenNode() => FileOpen.Open(
        NodePath, FileNumbers.ReadWrite, "load the module: modprobe dm-cow");

    /// <summary>The last of all idents that come before another one, in the byte order in which the module walks them.</summary>
    internal static void WriteBefore(string ident, Span<byte> room)
    {
        CText.Write(ident, room);
        int last = room.IndexOf((byte)0) - 1;
        if (--room[last] > 0)
        {
            room[(last + 1)..^1].Fill(byte.MaxValue);
        }
    }

    // In: the ident before, or none. Null behind the last.
    private static unsafe CowListEntry? Next(SafeFileHandle node, ref CowList record)
    {
        int result;
        fixed (CowList* argument = &record)
        {
            do
            {
                result = LibC.Ioctl(node, CowNumbers.List, argument);
            }
            while (Syscall.Interrupted(result));
        }

        if (result < 0 && Syscall.LastError == Errno.ENOENT)
        {
            return null;
        }

        Syscall.Check(result, "DM_COW_IOC_LIST", NodePath);
        return new CowListEntry(CText.Read(record.Ident), record.State, record.Owner, record.Uncommitted);
    }

    private unsafe void Handshake(ref CowAttach record, string ident)
    {
        int result;
        fixed (CowAttach* argument = &record)
        {
            do
            {
                result = LibC.Ioctl(_handle, CowNumbers.Attach, argument);
            }
            while (Syscall.Interrupted(result));
        }

        if (result >= 0)
        {
            Owner = record.Owner;
            return;
        }

        var error = Syscall.LastError;
        Owner = error == Errno.EBUSY ? record.Owner : 0;
        throw new LinuxException(error, "DM_COW_IOC_ATTACH", ident, error switch
        {
            Errno.EBUSY => $"process {Owner} serves it",
            Errno.EPROTO => OtherVersion,
            _ => null,
        });
    }
}
