// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cow.Formats.Images.Codecs;

/// <summary>A stream of libz that packs one block after the other: making its tables anew for each would cost page faults by the hundred.</summary>
/// <remarks>Not thread-safe: <see cref="Deflate"/> has one for each thread. libz wants the stream where it was when it was made, so it lies outside of
/// the managed heap.</remarks>
internal sealed unsafe partial class DeflateState : SafeHandleZeroOrMinusOneIsInvalid
{
    private const string Library = "libz.so.1";
    private const int Deflated = 8;
    private const int DefaultLevel = -1;
    private const int DefaultStrategy = 0;
    private const int Finish = 4;
    private const int StreamEnd = 1;

    /// <summary>Makes a stream.</summary>
    /// <param name="windowBits">As deflateInit2 takes them: negative for a stream without header, larger than 0 for one of zlib.</param>
    /// <param name="memoryLevel">As deflateInit2 takes it, 1 to 9.</param>
    /// <exception cref="IOException">There is no libz that does this.</exception>
    public DeflateState(int windowBits, int memoryLevel)
        : base(ownsHandle: true)
    {
        SetHandle((nint)NativeMemory.AllocZeroed((nuint)sizeof(ZStream)));
        try
        {
            if (DeflateInit2(Stream, DefaultLevel, Deflated, windowBits, memoryLevel, DefaultStrategy, "1.2.11", sizeof(ZStream)) != 0)
            {
                throw new IOException($"{Library} cannot pack: out of memory, or a version that we do not know");
            }
        }
        catch (DllNotFoundException)
        {
            throw new IOException($"packing with deflate needs {Library}, which is not installed");
        }
    }

    private ZStream* Stream => (ZStream*)handle;

    /// <summary>Packs one block.</summary>
    /// <param name="data">The block.</param>
    /// <param name="packed">Receives it.</param>
    /// <returns>Bytes written, or 0 where it does not fit.</returns>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        fixed (byte* source = data, target = packed)
        {
            _ = DeflateReset(Stream);
            Stream->NextIn = source;
            Stream->AvailIn = (uint)data.Length;
            Stream->NextOut = target;
            Stream->AvailOut = (uint)packed.Length;
            return Run(Stream, Finish) == StreamEnd ? packed.Length - (int)Stream->AvailOut : 0;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (Stream->State != 0)
        {
            _ = End(Stream);
        }
        NativeMemory.Free(Stream);
        return true;
    }

    [LibraryImport(Library, EntryPoint = "deflateInit2_", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int DeflateInit2(ZStream* stream, int level, int method, int windowBits, int memoryLevel, int strategy, string version, int size);

    [LibraryImport(Library, EntryPoint = "deflateReset")]
    private static partial int DeflateReset(ZStream* stream);

    [LibraryImport(Library, EntryPoint = "deflate")]
    private static partial int Run(ZStream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "deflateEnd")]
    private static partial int End(ZStream* stream);

    /// <summary>struct z_stream_s of zlib.h; uLong is as wide as a pointer.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ZStream
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
