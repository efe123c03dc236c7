// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>Makes the calls: a buffer for each, larger ones until the answer fits, errors with both headers.</summary>
internal sealed class DmCaller : IDisposable
{
    /// <summary>Bytes of data that a call begins with.</summary>
    public const int UsualRoom = 16 * 1024;

    private readonly SafeFileHandle _control;

    private DmCaller(SafeFileHandle control) => _control = control;

    /// <summary>Opens the control node.</summary>
    public static DmCaller Open() => new(FileOpen.Open(
        "/dev/mapper/control", FileNumbers.ReadWrite, "load the module: modprobe dm-mod"));

    /// <summary>A call whose answer is a header.</summary>
    public DmDeviceInfo Simple(in DmRequest request) => Simple(request, out _);

    /// <summary>A call whose answer is a header.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="answered">The flags that came back.</param>
    public DmDeviceInfo Simple(in DmRequest request, out DmFlags answered)
    {
        using var buffer = Run(request, room: 0);
        answered = buffer.Header.Flags;
        return new DmAnswer(request.Command.Name, buffer.All).Info();
    }

    /// <summary>A call whose answer may need more room than it had: then it is made again, with double the room.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="room">Bytes of data at first.</param>
    /// <param name="writeData">Writes what goes in, each time.</param>
    /// <returns>The complete answer, to be disposed.</returns>
    public DmBuffer Run(in DmRequest request, int room = UsualRoom, Action<Span<byte>>? writeData = null)
    {
        while (true)
        {
            var buffer = new DmBuffer(room);
            try
            {
                writeData?.Invoke(buffer.Data);
                Call(buffer, request);
                if (!buffer.Header.Flags.HasFlag(DmFlags.BufferFull))
                {
                    var complete = buffer;
                    buffer = null;
                    return complete;
                }
            }
            finally
            {
                buffer?.Dispose();
            }

            room = checked(Math.Max(room, UsualRoom) * 2);
        }
    }

    /// <summary>One call, in a buffer whose data is written.</summary>
    /// <param name="buffer">Takes the answer too.</param>
    /// <param name="request">What is asked.</param>
    public void Call(DmBuffer buffer, in DmRequest request)
    {
        request.WriteTo(buffer);
        var sent = buffer.Header;
        int result;
        do
        {
            result = buffer.Ioctl(_control, request.Command.Request);
        }
        while (Syscall.Interrupted(result));
        if (result < 0)
        {
            var error = Syscall.LastError;
            throw new LinuxException(error, request.Command.Name, request.Device?.ToString(), null,
                $"in: {sent.Describe()}\nout: {buffer.Header.Describe()}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _control.Dispose();
}
