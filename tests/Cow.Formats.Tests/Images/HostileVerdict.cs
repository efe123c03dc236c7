// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

/// <summary>What must become of a hostile image, on top of what holds for each: no exception but ImageFormatException, no hang, bounded memory,
/// and nothing written by who only reads.</summary>
[Flags]
internal enum HostileVerdict
{
    /// <summary>Refused or not.</summary>
    Either = 0,

    /// <summary>Opens for reading, and all of it can be read.</summary>
    Reads = 1,

    /// <summary>Opens for writing, and all of it can be written; then it reads as written, without errors.</summary>
    Writes = 2,

    /// <summary>Does not open at all.</summary>
    NeverOpens = 4,

    /// <summary>Does not open, or else reading all of it fails.</summary>
    NotRead = 8,

    /// <summary>Does not open for writing, or else writing everywhere fails, or does no harm: it reads as written, without errors.</summary>
    NoHarm = 16,

    /// <summary>Does not open for writing.</summary>
    NotWritten = 32,

    /// <summary>No snapshot in it can be opened.</summary>
    NoSnapshot = 64,

    /// <summary>The check finds no error.</summary>
    Clean = 128,

    /// <summary>Does not open, or else the check finds an error: it judges metadata, and does not inflate what is compressed.</summary>
    Found = 256,
}

/// <summary>The manifest's sentences.</summary>
internal static class HostileVerdicts
{
    private static readonly (string Start, HostileVerdict Verdict)[] Sentences =
    [
        ("refuse rw", HostileVerdict.NoHarm),
        ("refuse or ignore", HostileVerdict.Either),
        ("refuse/handle", HostileVerdict.Either),
        ("refuse (loop)", HostileVerdict.NeverOpens),
        ("refuse", HostileVerdict.NotRead | HostileVerdict.Found),
        ("never open implicitly", HostileVerdict.NeverOpens),
        ("bound the count", HostileVerdict.NeverOpens),
        ("read-only only", HostileVerdict.Reads | HostileVerdict.NotWritten),
        ("rw refuse", HostileVerdict.NotWritten),
        ("reads EIO or zero; rw refuse", HostileVerdict.NotWritten),
        ("rw must", HostileVerdict.NoHarm),
        ("reads zero, write must not use it", HostileVerdict.Reads | HostileVerdict.NoHarm),
        ("corrupt", HostileVerdict.NotRead | HostileVerdict.Found),
        ("EIO+corrupt", HostileVerdict.NotRead | HostileVerdict.Found),
        ("EIO /", HostileVerdict.NotRead | HostileVerdict.Found),
        ("EIO/", HostileVerdict.NotRead),
        ("EIO", HostileVerdict.NotRead),
        ("round or refuse", HostileVerdict.Either),
        ("snapshot unusable", HostileVerdict.NoSnapshot),
        ("use the other", HostileVerdict.Reads | HostileVerdict.Writes),
        ("ok, rw should check", HostileVerdict.Reads | HostileVerdict.NoHarm),
        ("ok", HostileVerdict.Reads | HostileVerdict.Writes | HostileVerdict.Clean),
    ];

    /// <summary>The verdict of a sentence; a sentence that nobody knows is a mistake.</summary>
    public static HostileVerdict Of(string sentence) =>
        Sentences.First(s => sentence.StartsWith(s.Start, StringComparison.Ordinal)).Verdict;
}
