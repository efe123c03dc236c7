// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Controller.Tests.Fakes;

/// <summary>The store as one controller has it open.</summary>
internal sealed class KillableFile(IImageFile file, KillSwitch killSwitch) : IImageFile
{
    public string Name => file.Name;

    public long Length => file.Length;

    public void ReadAt(Span<byte> buffer, long offset) => file.ReadAt(buffer, offset);

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        killSwitch.Hit();
        file.WriteAt(data, offset);
    }

    public void Flush()
    {
        killSwitch.Hit();
        file.Flush();
    }

    public void Dispose()
    {
    }
}
