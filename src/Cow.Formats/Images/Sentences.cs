// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Cow.Formats.Images;

/// <summary>Findings of a check, so many and no more: a damaged table can have one for every entry. Those beyond are counted, and not even worded.</summary>
internal sealed class Sentences(int most)
{
    private readonly List<string> _all = [];
    private ulong _more;

    /// <summary>There is one.</summary>
    public bool Any => _all.Count > 0;

    /// <summary>How many, with those that are only counted.</summary>
    public ulong Count => (ulong)_all.Count + _more;

    /// <summary>Further ones are only counted.</summary>
    public bool IsFull => _all.Count == most;

    /// <summary>Adds one that is worded already.</summary>
    public void Add(string sentence)
    {
        if (IsFull)
        {
            _more++;
        }
        else
        {
            _all.Add(sentence);
        }
    }

    /// <summary>Adds one.</summary>
    public void Add([InterpolatedStringHandlerArgument("")] ref Wording sentence)
    {
        Add(IsFull ? "" : sentence.Text());
    }

    /// <summary>Counts further ones.</summary>
    public void AddMore(ulong count) => _more += count;

    /// <summary>All of them; the last one says how many are not among them.</summary>
    public IReadOnlyList<string> ToList() => _more == 0 ? _all : [.. _all, $"and {_more} more like these"];

    /// <summary>An interpolated string that is put together only where it is wanted.</summary>
    [InterpolatedStringHandler]
    public ref struct Wording
    {
        private DefaultInterpolatedStringHandler _text;

        public Wording(int literals, int values, Sentences sentences, out bool wanted)
        {
            wanted = !sentences.IsFull;
            _text = wanted ? new DefaultInterpolatedStringHandler(literals, values, CultureInfo.InvariantCulture) : default;
        }

        public void AppendLiteral(string text) => _text.AppendLiteral(text);

        public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

        public void AppendFormatted<T>(T value, string format) => _text.AppendFormatted(value, format);

        public string Text() => _text.ToStringAndClear();
    }
}
