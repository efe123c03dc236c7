// SPDX-License-Identifier: MIT
using System.Text;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class DirectoryNamesTests
{
    private string _directory = null!;

    [SetUp]
    public void MakeDirectory() => _directory = Directory.CreateTempSubdirectory("dm-cow-names-").FullName;

    [TearDown]
    public void RemoveDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void EveryNameComesOnceAlsoWhereTheyDoNotFitOneCall()
    {
        string[] expected = [.. Enumerable.Range(0, 3000).Select(i => $"a name of some length, and its number {i}"), "ä"];
        foreach (string name in expected)
        {
            File.WriteAllBytes(Path.Combine(_directory, name), []);
        }

        Assert.That(NamesIn(_directory), Is.EquivalentTo(expected.Append(".").Append("..")));
    }

    [Test]
    public void ADirectoryThatIsNotThereHasNone() => Assert.That(NamesIn(Path.Combine(_directory, "none")), Is.Empty);

    private static List<string> NamesIn(string directory)
    {
        var names = new List<string>();
        DirectoryNames.ForEach(directory, name => names.Add(Encoding.UTF8.GetString(name)));
        return names;
    }
}
