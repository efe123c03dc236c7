// SPDX-License-Identifier: MIT
using System.Runtime.ConstrainedExecution;
using System.Runtime.InteropServices;

namespace Cow.Formats.Images.Codecs;

/// <summary>Contexts of libzstd that pack and unpack one block after the other: a new one for each would cost page faults by the hundred.</summary>
/// <remarks>Not thread-safe: <see cref="Zstd"/> has one for each thread.</remarks>
internal sealed unsafe partial class ZstdState : CriticalFinalizerObject
{
    private const string Library = "libzstd.so.1";

    /// <summary>ZSTD_CLEVEL_DEFAULT.</summary>
    private const int Level = 3;

    private readonly nint _unpacking;
    private readonly nint _packing;

    /// <summary>Makes them.</summary>
    /// <exception cref="IOException">There is no libzstd.</exception>
    public ZstdState()
    {
        try
        {
            (_unpacking, _packing) = (CreateDContext(), CreateCContext());
        }
        catch (DllNotFoundException)
        {
            throw new IOException($"clusters compressed with zstd need {Library}, which is not installed");
        }
    }

    ~ZstdState()
    {
        // Nothing was made where there is no library.
        if (_unpacking != 0)
        {
            _ = FreeDContext(_unpacking);
        }
        if (_packing != 0)
        {
            _ = FreeCContext(_packing);
        }
    }

    /// <summary>See <see cref="IClusterCodec.TryUnpack"/>.</summary>
    public bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> data)
    {
        // Whatever the block before left behind.
        _ = InitDStream(_unpacking);
        fixed (byte* source = packed, target = data)
        {
            InBuffer input = new() { Start = source, Size = (nuint)packed.Length };
            OutBuffer output = new() { Start = target, Size = (nuint)data.Length };
            // A block may be several frames; all of them are read until it is full.
            while (output.Position < output.Size)
            {
                (nuint before, nuint written) = (input.Position, output.Position);
                nuint result = Decompress(_unpacking, ref output, ref input);
                if (IsError(result) != 0 || (input.Position == before && output.Position == written))
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>See <see cref="IClusterCodec.Pack"/>.</summary>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        fixed (byte* source = data, target = packed)
        {
            nuint result = Compress(_packing, target, (nuint)packed.Length, source, (nuint)data.Length, Level);
            return IsError(result) != 0 ? 0 : (int)result;
        }
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    private static partial nint CreateDContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeDContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateCContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeCContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_initDStream")]
    private static partial nuint InitDStream(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    private static partial nuint Decompress(nint context, ref OutBuffer output, ref InBuffer input);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressCCtx")]
    private static partial nuint Compress(nint context, byte* target, nuint room, byte* source, nuint length, int level);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint result);

    /// <summary>ZSTD_inBuffer of zstd.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct InBuffer
    {
        public byte* Start;
        public nuint Size;
        public nuint Position;
    }

    /// <summary>ZSTD_outBuffer of zstd.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct OutBuffer
    {
        public byte* Start;
        public nuint Size;
        public nuint Position;
    }
}
