// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Text;

namespace Cow.Replay;

/// <summary>A text that is only put together when there is something to complain about.</summary>
[InterpolatedStringHandler]
internal readonly ref struct Complaint
{
    private readonly StringBuilder? _text;

    public Complaint(int literalLength, int formattedCount, bool condition, out bool wanted)
    {
        wanted = !condition;
        _text = wanted ? new StringBuilder(literalLength + (16 * formattedCount)) : null;
    }

    public string Text => _text?.ToString() ?? "";

    public void AppendLiteral(string value) => _text?.Append(value);

    public void AppendFormatted<T>(T value) => _text?.Append(value);
}
