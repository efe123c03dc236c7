// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>Table lines as DM_TABLE_LOAD takes them: a spec, the parameters with their zero, padding to 8.</summary>
internal static class DmTable
{
    /// <summary>Writes lines behind an empty header. Time and room grow with their number.</summary>
    /// <param name="lines">At least one; <see cref="ArgumentException"/> names the line that cannot be sent.</param>
    public static DmBuffer Build(IReadOnlyList<TargetLine> lines)
    {
        if (lines.Count == 0)
        {
            throw new ArgumentException("a table has at least one line", nameof(lines));
        }

        long room = 0;
        for (int i = 0; i < lines.Count; i++)
        {
            room += SizeOf(lines[i]);
        }

        var buffer = new DmBuffer(room);
        int at = 0;
        for (int i = 0; i < lines.Count; i++)
        {
            int size = SizeOf(lines[i]);
            Write(lines[i], buffer.Data.Slice(at, size));
            at += size;
        }

        return buffer;
    }

    private static int SizeOf(in TargetLine line)
    {
        if (string.IsNullOrEmpty(line.Type) || line.Type.AsSpan().ContainsAny(' ', '\0')
            || (line.Parameters ?? "").Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"'{line}' is not a table line");
        }

        int text = Encoding.UTF8.GetByteCount(line.Parameters ?? "") + 1;
        return (Unsafe.SizeOf<DmTargetSpec>() + text + 7) & ~7;
    }

    private static void Write(in TargetLine line, Span<byte> room)
    {
        var spec = new DmTargetSpec
        {
            SectorStart = line.Start.Value, Length = line.Length.Value, Next = (uint)room.Length,
        };
        CText.Write(line.Type, spec.TargetType);
        MemoryMarshal.Write(room, spec);
        Encoding.UTF8.GetBytes(line.Parameters ?? "", room[Unsafe.SizeOf<DmTargetSpec>()..]);
    }
}
