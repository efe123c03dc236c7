// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.Formats.Images.Codecs;

/// <summary>Zstandard (RFC 8878), by the system's libzstd: .NET has none.</summary>
internal sealed partial class Zstd : IClusterCodec
{
    private const string Library = "libzstd.so.1";

    /// <summary>ZSTD_CLEVEL_DEFAULT.</summary>
    private const int Level = 3;

    /// <summary>The only one that is needed.</summary>
    public static Zstd Instance { get; } = new();

    /// <inheritdoc/>
    public unsafe bool TryUnpack(byte[] packed, Span<byte> data)
    {
        nint context = Load(CreateContext);
        try
        {
            fixed (byte* source = packed, target = data)
            {
                InBuffer input = new() { Start = source, Size = (nuint)packed.Length };
                OutBuffer output = new() { Start = target, Size = (nuint)data.Length };
                // A block may be several frames; all of them are read until it is full.
                while (output.Position < output.Size)
                {
                    (nuint before, nuint written) = (input.Position, output.Position);
                    nuint result = Decompress(context, ref output, ref input);
                    if (IsError(result) != 0 || (input.Position == before && output.Position == written))
                    {
                        return false;
                    }
                }
                return true;
            }
        }
        finally
        {
            _ = FreeContext(context);
        }
    }

    /// <inheritdoc/>
    public unsafe int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        fixed (byte* source = data, target = packed)
        {
            (nint from, nint to) = ((nint)source, (nint)target);
            (nuint length, nuint room) = ((nuint)data.Length, (nuint)packed.Length);
            nuint result = Load(() => Compress(to, room, from, length, Level));
            return IsError(result) != 0 ? 0 : (int)result;
        }
    }

    private static T Load<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (DllNotFoundException)
        {
            throw new IOException($"clusters compressed with zstd need {Library}, which is not installed");
        }
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    private static partial nint CreateContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    private static partial nuint Decompress(nint context, ref OutBuffer output, ref InBuffer input);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress")]
    private static partial nuint Compress(nint target, nuint room, nint source, nuint length, int level);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint result);

    /// <summary>ZSTD_inBuffer of zstd.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct InBuffer
    {
        public byte* Start;
        public nuint Size;
        public nuint Position;
    }

    /// <summary>ZSTD_outBuffer of zstd.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct OutBuffer
    {
        public byte* Start;
        public nuint Size;
        public nuint Position;
    }
}
