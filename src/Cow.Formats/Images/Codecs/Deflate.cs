// SPDX-License-Identifier: MIT
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Cow.Formats.Images.Codecs;

/// <summary>Raw deflate (RFC 1951): unpacked by .NET, packed by the system's libz.</summary>
/// <remarks>Readers of disk images inflate with a window of 4 KiB, which .NET's own packer cannot be held to: hence libz (zlib.h, deflateInit2).</remarks>
internal sealed partial class Deflate : IClusterCodec
{
    private const string Library = "libz.so.1";
    private const int WindowBits = -12;
    private const int MemoryLevel = 9;
    private const int Deflated = 8;
    private const int DefaultLevel = -1;
    private const int DefaultStrategy = 0;
    private const int Finish = 4;
    private const int StreamEnd = 1;

    /// <summary>The only one that is needed.</summary>
    public static Deflate Instance { get; } = new();

    /// <inheritdoc/>
    public bool TryUnpack(byte[] packed, Span<byte> data)
    {
        using MemoryStream source = new(packed);
        using DeflateStream inflater = new(source, CompressionMode.Decompress);
        try
        {
            return inflater.ReadAtLeast(data, data.Length, throwOnEndOfStream: false) == data.Length;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public unsafe int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        ZStream stream = default;
        if (Init(ref stream, DefaultLevel, Deflated, WindowBits, MemoryLevel, DefaultStrategy, "1.2.11", sizeof(ZStream)) != 0)
        {
            throw new IOException($"{Library} cannot pack: out of memory, or a version that we do not know");
        }
        fixed (byte* source = data, target = packed)
        {
            stream.NextIn = source;
            stream.AvailIn = (uint)data.Length;
            stream.NextOut = target;
            stream.AvailOut = (uint)packed.Length;
            int result = Run(ref stream, Finish);
            _ = End(ref stream);
            return result == StreamEnd ? packed.Length - (int)stream.AvailOut : 0;
        }
    }

    private static int Init(ref ZStream stream, int level, int method, int windowBits, int memoryLevel, int strategy, string version, int size)
    {
        try
        {
            return DeflateInit2(ref stream, level, method, windowBits, memoryLevel, strategy, version, size);
        }
        catch (DllNotFoundException)
        {
            throw new IOException($"packing with deflate needs {Library}, which is not installed");
        }
    }

    [LibraryImport(Library, EntryPoint = "deflateInit2_", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int DeflateInit2(ref ZStream stream, int level, int method, int windowBits, int memoryLevel, int strategy, string version, int size);

    [LibraryImport(Library, EntryPoint = "deflate")]
    private static partial int Run(ref ZStream stream, int flush);

    [LibraryImport(Library, EntryPoint = "deflateEnd")]
    private static partial int End(ref ZStream stream);

    /// <summary>struct z_stream_s of zlib.h; uLong is as wide as a pointer.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct ZStream
    {
        public byte* NextIn;
        public uint AvailIn;
        public nuint TotalIn;
        public byte* NextOut;
        public uint AvailOut;
        public nuint TotalOut;
        public nint Message;
        public nint State;
        public nint Alloc;
        public nint Free;
        public nint Opaque;
        public int DataType;
        public nuint Adler;
        public nuint Reserved;
    }
}
