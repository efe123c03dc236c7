// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.CommandLine.Parsing;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli;

/// <summary>Turns the parser's errors into a failure like any other.</summary>
internal static class ParseFailure
{
    public static Failure Of(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        bool top = command is RootCommand;
        string verb = top ? "command" : VerbOf(command);
        string help = top ? "see \"cowctl --help\"" : $"see \"cowctl {verb} --help\"";
        if (parsed.UnmatchedTokens is [string word, ..])
        {
            return Unmatched(command, verb, word, help);
        }

        if (command.Subcommands.Count > 0)
        {
            return new Failure(ExitCode.Usage, verb, "none is given", $"take one of {Words(command)}, or {help}");
        }

        ParseError error = parsed.Errors[0];
        string reason = error.SymbolResult switch
        {
            ArgumentResult { Tokens.Count: 0, Parent: CommandResult } missing => $"{missing.Argument.Name} is missing",
            OptionResult { Tokens.Count: 0 } option => $"{option.Option.Name} needs a value",
            CommandResult result => Missing(result) ?? Sentence(error),
            _ => Sentence(error),
        };
        return new Failure(ExitCode.Usage, verb, reason, help);
    }

    private static Failure Unmatched(Command command, string verb, string word, string help)
    {
        bool option = word.StartsWith('-');
        IEnumerable<string> known = option ? command.Options.Select(static known => known.Name) : command.Subcommands.Select(static known => known.Name);
        string? near = known.Where(name => Distance(name, word) <= 2).OrderBy(name => Distance(name, word)).FirstOrDefault();
        if (option)
        {
            return new Failure(ExitCode.Usage, word, command is RootCommand ? "there is no such option" : $"{verb} has no such option", Cure(near, help));
        }

        return command.Subcommands.Count > 0
            ? new Failure(ExitCode.Usage, word, "there is no such command", Cure(near, help))
            : new Failure(ExitCode.Usage, word, $"is one argument too many for {verb}", help);
    }

    private static string Cure(string? near, string help) => near is null ? help : $"did you mean \"{near}\"?";

    private static string? Missing(CommandResult result)
    {
        Argument? missing = result.Command.Arguments.FirstOrDefault(
            argument => argument.Arity.MinimumNumberOfValues > 0 && result.GetResult(argument) is null or { Tokens.Count: 0 });
        return missing is null ? null : $"{missing.Name} is missing";
    }

    private static string Sentence(ParseError error)
    {
        string text = error.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
        return char.ToLowerInvariant(text[0]) + text[1..];
    }

    private static string VerbOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand ? $"{VerbOf(parent)} {command.Name}" : command.Name;

    private static string Words(Command command) => string.Join(", ", command.Subcommands.Select(static verb => verb.Name));

    // Levenshtein; the words are a dozen letters long.
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = row[j];
                row[j] = cost;
            }
        }

        return row[^1];
    }
}
