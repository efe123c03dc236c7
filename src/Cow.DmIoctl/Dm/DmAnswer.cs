// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// Reads what the kernel wrote behind the header. Every length in it is checked against what is there; an answer that
/// does not fit is EPROTO. Layouts: linux/dm-ioctl.h.
/// </summary>
internal readonly ref struct DmAnswer
{
    private readonly string _operation;
    private readonly ReadOnlySpan<byte> _data;
    private readonly DmHeader _header;

    /// <summary>Looks at an answer.</summary>
    /// <param name="operation">The call, for the error.</param>
    /// <param name="answer">Header and data.</param>
    public DmAnswer(string operation, ReadOnlySpan<byte> answer)
    {
        _operation = operation;
        _header = MemoryMarshal.Read<DmHeader>(answer);
        uint start = _header.DataStart;
        uint end = _header.DataSize;
        if (start < DmHeader.Size || end > answer.Length)
        {
            throw Malformed(0);
        }

        _data = start < end ? answer[(int)start..(int)end] : default;
    }

    /// <summary>The device of the header.</summary>
    public DmDeviceInfo Info()
    {
        var header = _header;
        string uuid = CText.Read(header.Uuid);
        return new DmDeviceInfo(
            CText.Read(header.Name), uuid.Length == 0 ? null : uuid, DeviceNumber.Decode(header.Dev),
            header.OpenCount, header.EventNr, header.TargetCount,
            header.Flags.HasFlag(DmFlags.Suspend), header.Flags.HasFlag(DmFlags.ReadOnly),
            header.Flags.HasFlag(DmFlags.ActivePresent), header.Flags.HasFlag(DmFlags.InactivePresent),
            header.Flags.HasFlag(DmFlags.DeferredRemove));
    }

    /// <summary>Lines of DM_TABLE_STATUS.</summary>
    public List<TargetLine> Lines()
    {
        int specSize = Unsafe.SizeOf<DmTargetSpec>();
        var lines = new List<TargetLine>((int)Math.Min(_header.TargetCount, (uint)(_data.Length / specSize)));
        string type = "";
        int at = 0;
        for (uint i = 0; i < _header.TargetCount; i++)
        {
            var spec = Struct<DmTargetSpec>(at);
            type = SameOrNew(type, spec.TargetType);
            lines.Add(new TargetLine(
                new Sectors(spec.SectorStart), new Sectors(spec.Length), type, Text(at + specSize, out int end)));
            if (i + 1 < _header.TargetCount)
            {
                at = Next(at, spec.Next, end);
            }
        }

        return lines;
    }

    /// <summary>Entries of DM_LIST_VERSIONS.</summary>
    public List<DmTargetVersion> Versions()
    {
        var versions = new List<DmTargetVersion>();
        for (int at = 0; _data.Length > 0;)
        {
            var entry = Struct<DmTargetVersions>(at);
            string name = Text(at + Unsafe.SizeOf<DmTargetVersions>(), out int end);
            versions.Add(new DmTargetVersion(name, entry.Version[0], entry.Version[1], entry.Version[2]));
            if (entry.Next == 0)
            {
                break;
            }

            at = Next(at, (ulong)at + entry.Next, end);
        }

        return versions;
    }

    /// <summary>Entries of DM_LIST_DEVICES.</summary>
    public List<DmListEntry> Devices()
    {
        var devices = new List<DmListEntry>();
        for (int at = 0; _data.Length > 0;)
        {
            var entry = Struct<DmNameList>(at);
            if (entry.Dev == 0)
            {
                break;
            }

            string name = Text(at + DmNameList.NameAt, out int end);
            devices.Add(Device(entry.Dev, name, end));
            if (entry.Next == 0)
            {
                break;
            }

            at = Next(at, (ulong)at + entry.Next, end);
        }

        return devices;
    }

    /// <summary>Devices of DM_TABLE_DEPS.</summary>
    public List<DeviceNumber> Dependencies()
    {
        if (_data.Length == 0)
        {
            return [];
        }

        var deps = Struct<DmTargetDeps>(0);
        int first = Unsafe.SizeOf<DmTargetDeps>();
        if (deps.Count > (uint)((_data.Length - first) / sizeof(ulong)))
        {
            throw Malformed(0);
        }

        var numbers = new List<DeviceNumber>((int)deps.Count);
        for (int i = 0; i < (int)deps.Count; i++)
        {
            numbers.Add(DeviceNumber.Decode(Struct<ulong>(first + (i * sizeof(ulong)))));
        }

        return numbers;
    }

    /// <summary>What a message brought back, null where that is nothing.</summary>
    public string? Output() => _header.Flags.HasFlag(DmFlags.DataOut) ? Text(0, out _) : null;

    // Behind the name, aligned to 8: event number, flags, uuid.
    private DmListEntry Device(ulong number, string name, int nameEnd)
    {
        int at = (nameEnd + 7) & ~7;
        uint eventNr = at <= _data.Length - sizeof(uint) ? Struct<uint>(at) : 0;
        var version = _header.Version;
        bool hasUuid = version[1] >= DmNumbers.MinorWithUuids
            && (Struct<uint>(at + sizeof(uint)) & DmNumbers.ListHasUuid) != 0;
        string? uuid = hasUuid ? Text(at + (2 * sizeof(uint)), out _) : null;
        return new DmListEntry(name, DeviceNumber.Decode(number), eventNr, uuid);
    }

    private T Struct<T>(int at)
        where T : unmanaged => at <= _data.Length - Unsafe.SizeOf<T>()
            ? MemoryMarshal.Read<T>(_data[at..])
            : throw Malformed(at);

    private string Text(int at, out int end)
    {
        int length = at < _data.Length ? _data[at..].IndexOf((byte)0) : -1;
        if (length < 0)
        {
            throw Malformed(at);
        }

        end = at + length + 1;
        return Encoding.UTF8.GetString(_data.Slice(at, length));
    }

    // Ascending and behind what was read, so that an answer cannot lead in a circle.
    private int Next(int at, ulong next, int end) =>
        next >= (ulong)end && next < (ulong)_data.Length && next % 8 == 0 ? (int)next : throw Malformed(at);

    private static string SameOrNew(string known, ReadOnlySpan<byte> type)
    {
        int end = type.IndexOf((byte)0);
        type = end < 0 ? type : type[..end];
        return Ascii.Equals(type, known) ? known : Encoding.UTF8.GetString(type);
    }

    private LinuxException Malformed(int at) =>
        new(Errno.EPROTO, _operation, null, $"the kernel's answer does not fit its own lengths at byte {at}");
}
