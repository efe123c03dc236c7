// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Tests;

/// <summary>A path of its own that is gone with the test.</summary>
internal sealed class TempFile : IDisposable
{
    public TempFile(long length = -1)
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"cow_{Guid.NewGuid():N}_cowtest_delme");
        if (length >= 0)
        {
            using var file = File.Create(Path);
            file.SetLength(length);
        }
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
