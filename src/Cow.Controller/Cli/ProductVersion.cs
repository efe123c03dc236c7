// SPDX-License-Identifier: MIT
using System.Reflection;

namespace Cow.Controller.Cli;

/// <summary>The version of cowctl and its daemon, which are one program.</summary>
internal static class ProductVersion
{
    private const int CommitDigits = 12;

    /// <summary>Such as 0.1.0+0123456789ab; the part behind '+' is the commit that it was built of, where that was known.</summary>
    public static string Text { get; } = Short(
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0");

    private static string Short(string version)
    {
        int commit = version.IndexOf('+', StringComparison.Ordinal) + 1;
        return commit > 0 ? version[..Math.Min(version.Length, commit + CommitDigits)] : version;
    }
}
