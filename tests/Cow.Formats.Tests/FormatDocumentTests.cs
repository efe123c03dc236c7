// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>What docs/formats.md shows of the code is in the code.</summary>
[TestFixture]
internal sealed class FormatDocumentTests
{
    private const string Fence = "```";

    [Test]
    public void EverySnippetIsInTheFileThatItNames()
    {
        string root = Root();
        string[] parts = File.ReadAllText(Path.Combine(root, "docs", "formats.md")).Split(Fence + "csharp ");
        Assert.That(parts, Has.Length.GreaterThan(5));
        foreach (string part in parts.Skip(1))
        {
            string[] lines = part.Split(Fence)[0].Split('\n', 2);
            string code = File.ReadAllText(Path.Combine(root, lines[0].Trim()));
            Assert.That(code, Does.Contain(lines[1].TrimEnd()), lines[0]);
        }
    }

    private static string Root()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Cow.slnx")))
        {
            directory = directory.Parent;
        }
        return directory?.FullName ?? throw new DirectoryNotFoundException("the tests run outside of the repository");
    }
}
