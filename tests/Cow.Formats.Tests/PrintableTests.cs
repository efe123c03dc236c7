// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>Untrusted text as it is shown, and in the sentences that bear it.</summary>
[TestFixture]
internal sealed class PrintableTests
{
    [TestCase("plain text ~", "plain text ~")]
    [TestCase("Größe 漢字 😀", "Größe 漢字 😀")]
    [TestCase("a\u001b[2J\r\n\u009bb", "a?[2J???b")]
    [TestCase("a\u202etxt.b\u200f\ufeff\u00ad", "a?txt.b???")]
    [TestCase("a\u2028b\u2029", "a?b?")]
    [TestCase("tag \U000e0041", "tag ?")]
    public void WhatATerminalWouldObeyIsNotShown(string text, string shown)
    {
        Assert.That(Printable.Line(text), Is.EqualTo(shown));
    }

    [Test]
    public void OfALongTextTheStartIsShown()
    {
        Assert.That(Printable.Start("abc", 3), Is.EqualTo("abc"));
        Assert.That(Printable.Start("ab\ud83d\ude00", 3), Is.EqualTo("ab\ufffd..."), "half a letter is none");
    }

    [Test]
    public void ASentenceAboutAnImageIsShortAndOfOneLine()
    {
        string text = new string('x', 900_000) + "\u202e";
        ImageFormatException e = new("im\nage", 7, $"\u001b{text}", $"\u202e{text}");
        Assert.That(e.Message, Does.StartWith("im?age: at byte 7: expected ?xx").And.Contain("..., found ?xx").And.Length.LessThan(2000));
        Assert.That((e.Expected.Length, e.Found.Length), Is.EqualTo((603, 603)));
    }
}
