// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class DmNameTests
{
    [TestCase("a")]
    [TestCase("win7-guest_03.img:1@host=x#+")]
    [TestCase("...")]
    public void AGoodNameIsTaken(string value) => Assert.That(new DmName(value).ToString(), Is.EqualTo(value));

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("control")]
    [TestCase("a/b")]
    [TestCase("a\0b")]
    [TestCase("a b")]
    [TestCase("a\nb")]
    [TestCase("gäste")]
    [TestCase("a\\x20b")]
    public void ABadNameIsRefused(string value)
    {
        Assert.That(() => new DmName(value), Throws.ArgumentException);
        Assert.That(DmName.TryParse(value, out var name), Is.False);
        Assert.That(name, Is.Null);
    }

    [Test]
    public void TheLongestNameHas127Bytes()
    {
        Assert.That(new DmName(new string('x', 127)).Value, Has.Length.EqualTo(127));
        Assert.That(() => new DmName(new string('x', 128)), Throws.ArgumentException);
    }

    [Test]
    public void NamesWithTheSameTextAreEqual()
    {
        var name = new DmName("a");
        Assert.That(name, Is.EqualTo(new DmName("a")));
    }
}
