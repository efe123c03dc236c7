// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Runtime.CompilerServices;
using Cow.Formats;
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Images;

/// <summary>Writes the extents of a chain as they are found: a map may have more of them than memory.</summary>
internal sealed class MapPrinter(TextWriter output)
{
    private const int BufferChars = 32 * 1024;

    /// <summary>More than any entry but its path takes.</summary>
    private const int EntryChars = 512;

    // The console's writer flushes whatever it gets.
    private readonly char[] _buffer = new char[BufferChars];
    private int _used;

    /// <summary>The shape of <c>qemu-img map --output=json</c>.</summary>
    public void Json(IEnumerable<MapEntry> entries)
    {
        string lead = "[";
        foreach (MapEntry entry in entries)
        {
            Add($"{lead}{{ \"start\": {entry.Start}, \"length\": {entry.Length}, \"depth\": {entry.Depth}, \"present\": {Word(entry.Present)}, ");
            Add($"\"zero\": {Word(entry.Zero)}, \"data\": {Word(entry.Data)}, \"compressed\": {Word(entry.Compressed)}");
            if (entry.File >= 0)
            {
                Add($", \"offset\": {entry.Offset}");
            }

            Add($"}}");
            lead = ",\n";
        }

        Add($"{(lead == "[" ? "[" : "")}]\n");
        Flush();
    }

    /// <summary>A table; its columns have fixed widths, since nobody knows what comes.</summary>
    /// <param name="entries">The extents.</param>
    /// <param name="chain">Whose extents they are.</param>
    public void Text(IEnumerable<MapEntry> entries, ImageChain chain)
    {
        string[][] paths = [.. chain.Images.Select(static image => image.Info.Paths.Select(Printable.Line).ToArray())];
        Add($"{"START",16} {"LENGTH",16} {"LAYER",5}  {"STATE",-10}  SOURCE\n");
        foreach (MapEntry entry in entries)
        {
            Add($"{entry.Start,16} {entry.Length,16} {entry.Depth,5}  {State(entry),-10}  ");
            if (entry.File >= 0)
            {
                AddLong(paths[entry.Depth][entry.File]);
                Add($":{entry.Offset}");
            }
            else
            {
                AddLong(entry.Present ? paths[entry.Depth][0] : "-");
            }

            Add($"\n");
        }

        Flush();
    }

    private static string State(in MapEntry entry) => entry switch
    {
        { Present: false } => "none",
        { Compressed: true } => "compressed",
        { Data: true } => "data",
        _ => "zero",
    };

    private static string Word(bool value) => value ? "true" : "false";

    private void Add([InterpolatedStringHandlerArgument("")] ref Piece piece) => _used += piece.Written;

    private void AddLong(string text)
    {
        if (text.Length > BufferChars - _used)
        {
            Flush();
        }

        if (text.Length > BufferChars)
        {
            output.Write(text);
            return;
        }

        text.CopyTo(_buffer.AsSpan(_used));
        _used += text.Length;
    }

    private void Flush()
    {
        output.Write(_buffer, 0, _used);
        _used = 0;
    }

    /// <summary>Formats straight into the buffer: nothing is allocated for an entry.</summary>
    [InterpolatedStringHandler]
    private ref struct Piece
    {
        private MemoryExtensions.TryWriteInterpolatedStringHandler _inner;
        private readonly MapPrinter _printer;

        public Piece(int literalLength, int formattedCount, MapPrinter printer)
        {
            if (BufferChars - printer._used < EntryChars)
            {
                printer.Flush();
            }

            _printer = printer;
            _inner = new(literalLength, formattedCount, printer._buffer.AsSpan(printer._used), CultureInfo.InvariantCulture, out _);
        }

        public int Written
        {
            get
            {
                bool fits = _printer._buffer.AsSpan(_printer._used).TryWrite(CultureInfo.InvariantCulture, ref _inner, out int written);
                return fits ? written : throw new InvalidOperationException("an entry is longer than any can be");
            }
        }

        public void AppendLiteral(string value) => _inner.AppendLiteral(value);

        public void AppendFormatted<T>(T value) => _inner.AppendFormatted(value);

        public void AppendFormatted<T>(T value, int alignment) => _inner.AppendFormatted(value, alignment);
    }
}
