// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

[TestFixture]
internal sealed class SentencesTests
{
    [Test]
    public void ThoseBeyondTheLimitAreCountedAndNotWorded()
    {
        Sentences sentences = new(2);
        int worded = 0;
        for (int i = 0; i < 5; i++)
        {
            sentences.Add($"number {i}, worded {++worded}: {i:x2}");
        }
        sentences.Add("another one");
        Assert.That(string.Join("; ", sentences.ToList()), Is.EqualTo("number 0, worded 1: 00; number 1, worded 2: 01; and 4 more like these"));
        Assert.That((sentences.Any, sentences.IsFull, worded), Is.EqualTo((true, true, 2)));
    }

    [Test]
    public void AsManyAsThereMayBeAreAll()
    {
        Sentences sentences = new(2);
        Assert.That((sentences.Any, sentences.IsFull), Is.EqualTo((false, false)));
        sentences.Add("one");
        sentences.Add("two");
        Assert.That(string.Join("; ", sentences.ToList()), Is.EqualTo("one; two"));
    }
}
