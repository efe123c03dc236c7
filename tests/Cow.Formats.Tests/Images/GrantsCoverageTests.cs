// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>The contract of places in advance is a suite of its own: whoever reserves them is held to it.</summary>
[TestFixture]
internal sealed class GrantsCoverageTests
{
    [Test]
    public void EveryFormatThatReservesAheadIsHeldToTheContract()
    {
        Type[] images = [.. typeof(IGrantingImage).Assembly.GetTypes().Where(type => type.IsClass && type.IsAssignableTo(typeof(IGrantingImage)))];
        Type[] fixtures = [.. typeof(ImageGrantsContract).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(ImageGrantsContract)))];
        Assert.That(fixtures.Select(NamespaceEnd), Is.EquivalentTo(images.Select(NamespaceEnd)));
    }

    private static string NamespaceEnd(Type type) => type.Namespace![(type.Namespace!.LastIndexOf('.') + 1)..];
}
