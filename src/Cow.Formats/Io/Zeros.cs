// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>Zeros for what nobody writes afterwards. Where a file grows they are there by themselves; a device has what somebody left on it.</summary>
internal static class Zeros
{
    private const int StepBytes = 1 << 20;

    /// <summary>Writes them. Not durable before a flush.</summary>
    public static void Write(IImageFile file, long start, long end)
    {
        byte[] zeros = new byte[Math.Min(StepBytes, end - start)];
        for (long at = start; at < end; at += zeros.Length)
        {
            file.WriteAt(zeros.AsSpan(0, (int)Math.Min(zeros.Length, end - at)), at);
        }
    }
}
