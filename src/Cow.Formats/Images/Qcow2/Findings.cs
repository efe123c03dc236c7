// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>What a check found: bounded, since a damaged table can have a finding for every entry.</summary>
internal sealed class Findings
{
    private const int Most = 200;

    private readonly List<string> _errors = [];
    private readonly List<string> _leaks = [];
    private ulong _moreErrors;
    private ulong _moreLeaks;

    /// <summary>There is an error.</summary>
    public bool AnyError => _errors.Count > 0;

    /// <summary>Further errors are only counted.</summary>
    public bool IsFull => _errors.Count == Most;

    /// <summary>Something that can return wrong data.</summary>
    public void Error(string sentence) => Add(_errors, ref _moreErrors, sentence);

    /// <summary>Space that is lost.</summary>
    public void Leak(string sentence) => Add(_leaks, ref _moreLeaks, sentence);

    /// <summary>The report.</summary>
    public CheckReport Report(ulong placed) => new(Whole(_errors, _moreErrors), Whole(_leaks, _moreLeaks), placed);

    private static void Add(List<string> list, ref ulong more, string sentence)
    {
        if (list.Count < Most)
        {
            list.Add(sentence);
        }
        else
        {
            more++;
        }
    }

    private static List<string> Whole(List<string> list, ulong more) => more == 0 ? list : [.. list, $"and {more} more like these"];
}
