// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// A controller's end of /dev/dm-cow; what the records mean says PROTOCOL.md. One channel serves one ident and belongs
/// to one thread, which alone closes it (closing gives unanswered faults back to the kernel); only
/// <see cref="Write"/> may also be called from others. Read, Write and Poll allocate nothing.
/// </summary>
public sealed class CowChannel : IDisposable
{
    private const string NodePath = "/dev/dm-cow";
    private readonly SafeFileHandle _handle;
    private string _ident = NodePath;

    /// <summary>Takes an open descriptor; tests give another one than that of the node.</summary>
    internal CowChannel(SafeFileHandle handle) => _handle = handle;

    /// <summary>
    /// Process id of the controller that was attached before <see cref="Attach"/>, also where that failed with
    /// EBUSY; 0 where there was none.
    /// </summary>
    public uint Owner { get; private set; }

    /// <summary>Opens the node, without waiting in reads; a missing one says how to load the module.</summary>
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

    /// <summary>Takes events; does not wait. ESTALE: another controller took over.</summary>
    /// <param name="events">Room for them.</param>
    /// <returns>How many were written to it; 0 where there is nothing now.</returns>
    public unsafe int Read(Span<CowEvent> events)
    {
        if (events.IsEmpty)
        {
            return 0;
        }

        nint result;
        fixed (CowEvent* room = events)
        {
            do
            {
                result = LibC.Read(_handle, room, (nuint)events.Length * (nuint)sizeof(CowEvent));
            }
            while (Syscall.Interrupted(result));
        }

        if (result < 0)
        {
            var error = Syscall.LastError;
            return error == Errno.EAGAIN ? 0 : throw new LinuxException(error, "read", _ident);
        }

        return result % sizeof(CowEvent) == 0
            ? (int)(result / sizeof(CowEvent))
            : throw new LinuxException(Errno.EPROTO, "read", _ident, "the kernel sent part of a record");
    }

    /// <summary>
    /// Sends replies until all are accepted or one is refused. Refusals are values, not exceptions: PROTOCOL.md
    /// section 4 lists them, and says that a refused record has changed nothing.
    /// </summary>
    /// <param name="replies">In order.</param>
    /// <param name="error">None, or why the first one that was not accepted was refused.</param>
    /// <returns>How many were accepted, counted from the first.</returns>
    public unsafe int Write(ReadOnlySpan<CowReply> replies, out Errno error)
    {
        error = Errno.None;
        int accepted = 0;
        fixed (CowReply* all = replies)
        {
            while (accepted < replies.Length)
            {
                nuint bytes = (nuint)(replies.Length - accepted) * (nuint)sizeof(CowReply);
                nint result = LibC.Write(_handle, all + accepted, bytes);
                if (result > 0)
                {
                    accepted += (int)(result / sizeof(CowReply));
                }
                else if (!Syscall.Interrupted(result))
                {
                    error = result < 0 ? Syscall.LastError : Errno.EIO;
                    break;
                }
            }
        }

        return accepted;
    }

    /// <summary>Waits until there is something to read, the channel was taken over, or somebody sets the event.</summary>
    /// <param name="wake">Stays set; the caller clears it.</param>
    /// <param name="timeoutMs">At most so long; -1 for ever, 0 not at all.</param>
    /// <returns>None after the time, and now and then before it, after a signal.</returns>
    public ChannelReady Poll(WakeEvent wake, int timeoutMs)
    {
        ArgumentNullException.ThrowIfNull(wake);
        var (channel, woken) = Poller.Wait(_handle, wake.Handle, timeoutMs);
        var ready = ChannelReady.None;
        if ((channel & PollNumbers.In) != 0)
        {
            ready |= ChannelReady.Readable;
        }

        if ((channel & (PollNumbers.Hangup | PollNumbers.Error | PollNumbers.Invalid)) != 0)
        {
            ready |= ChannelReady.Hangup;
        }

        return woken != 0 ? ready | ChannelReady.Woken : ready;
    }

    /// <summary>Closes the channel: unanswered faults go back to the kernel's queue.</summary>
    public void Dispose() => _handle.Dispose();

    private static SafeFileHandle OpenNode() => FileOpen.Open(
        NodePath, FileNumbers.ReadWrite | FileNumbers.NonBlock, "load the module: modprobe dm-cow");

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
            Errno.EPROTO => "module and program are of different versions",
            _ => null,
        });
    }
}
