// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli;

/// <summary>The version of cowctl and its daemon, which are one program.</summary>
internal static class ProductVersion
{
    public static string Text { get; } = typeof(ProductVersion).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
}
