// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Files in memory whose operations are counted together: the n-th fails, and each one after it. A failing write leaves half of it behind.</summary>
internal sealed class FaultyFiles(int failing)
{
    private readonly List<MemoryImageFile> _files = [];

    /// <summary>Operations that came.</summary>
    public int Operations { get; private set; }

    private int FailingOperation => failing;

    /// <summary>The operation has come.</summary>
    public bool Failed => Operations >= failing;

    public IImageFile New(string name)
    {
        _files.Add(new MemoryImageFile([], name));
        return new FaultyFile(this, _files[^1]);
    }

    /// <summary>What is in the files now.</summary>
    public MemoryFiles Left()
    {
        MemoryFiles left = new();
        foreach (MemoryImageFile file in _files)
        {
            left.Add(file.Name, file.Copy());
        }
        return left;
    }

    private void Step()
    {
        if (++Operations >= failing)
        {
            throw new IOException($"operation {Operations} fails by intent");
        }
    }

    private sealed class FaultyFile(FaultyFiles files, MemoryImageFile inner) : IImageFile
    {
        public string Name => inner.Name;

        public long Length => inner.Length;

        public bool CanGrow => true;

        public void SetLength(long bytes)
        {
            files.Step();
            inner.SetLength(bytes);
        }

        public long NextData(long offset)
        {
            files.Step();
            return inner.NextData(offset);
        }

        public void ReadAt(Span<byte> buffer, long offset)
        {
            files.Step();
            inner.ReadAt(buffer, offset);
        }

        public void WriteAt(ReadOnlySpan<byte> data, long offset)
        {
            if (files.Operations + 1 == files.FailingOperation)
            {
                inner.WriteAt(data[..(data.Length / 1024 * 512)], offset);
            }
            files.Step();
            inner.WriteAt(data, offset);
        }

        public void Flush()
        {
            files.Step();
            inner.Flush();
        }

        public void Dispose()
        {
        }
    }
}
