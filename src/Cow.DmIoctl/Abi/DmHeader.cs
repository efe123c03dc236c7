// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_ioctl of linux/dm-ioctl.h: stands at the front of every request and answer.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_ioctl", "linux/dm-ioctl.h")]
internal struct DmHeader
{
    public Version3 Version;
    public uint DataSize;
    public uint DataStart;
    public uint TargetCount;
    public int OpenCount;
    public DmFlags Flags;
    public uint EventNr;
    public uint Padding;
    public ulong Dev;
    public Name128 Name;
    public Uuid129 Uuid;
    public Bytes7 Data;

    /// <summary>Bytes of it; data begins behind, and the kernel puts its answer there too.</summary>
    public static int Size => Unsafe.SizeOf<DmHeader>();

    /// <summary>All of it that tells something, for a bug report.</summary>
    public readonly string Describe()
    {
        var copy = this;
        return $"version {copy.Version[0]}.{copy.Version[1]}.{copy.Version[2]} data_size {DataSize} "
            + $"data_start {DataStart} target_count {TargetCount} open_count {OpenCount} flags 0x{(uint)Flags:x} "
            + $"event_nr 0x{EventNr:x} dev {DeviceNumber.Decode(Dev)} name '{CText.Read(copy.Name)}' "
            + $"uuid '{CText.Read(copy.Uuid)}'";
    }
}
