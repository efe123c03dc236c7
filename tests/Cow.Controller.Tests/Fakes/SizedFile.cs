// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A device, or a file, of which only the size matters.</summary>
internal sealed class SizedFile(long bytes, bool canGrow = false) : IImageFile
{
    public string Name => "sized";

    public long Length { get; set; } = bytes;

    public bool CanGrow => canGrow;

    public void ReadAt(Span<byte> buffer, long offset) => throw new NotSupportedException();

    public void WriteAt(ReadOnlySpan<byte> data, long offset) => throw new NotSupportedException();

    public void Flush() => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
