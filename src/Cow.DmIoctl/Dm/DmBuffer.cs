// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>Zeroed memory, aligned to 8, for a request and its answer: the header, then data.</summary>
internal sealed unsafe class DmBuffer : IDisposable
{
    private byte* _memory;

    /// <summary>Takes memory.</summary>
    /// <param name="room">Bytes behind the header; <see cref="ArgumentException"/> where the kernel would refuse.</param>
    public DmBuffer(long room)
    {
        if (room is < 0 or > DmNumbers.MaxBytes - 1024)
        {
            throw new ArgumentException($"{room} bytes are more than a device-mapper call takes", nameof(room));
        }

        Length = DmHeader.Size + (int)room;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)Length, 8);
        All.Clear();
    }

    /// <summary>Bytes in all.</summary>
    public int Length { get; }

    /// <summary>The header.</summary>
    public ref DmHeader Header
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return ref *(DmHeader*)_memory;
        }
    }

    /// <summary>Header and data.</summary>
    public Span<byte> All
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return new Span<byte>(_memory, Length);
        }
    }

    /// <summary>What is behind the header.</summary>
    public Span<byte> Data => All[DmHeader.Size..];

    /// <summary>One try; the caller looks at the error.</summary>
    /// <param name="control">/dev/mapper/control.</param>
    /// <param name="request">DM_*.</param>
    public int Ioctl(SafeFileHandle control, uint request) => LibC.Ioctl(control, request, _memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
