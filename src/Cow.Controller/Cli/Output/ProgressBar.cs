// SPDX-License-Identifier: MIT
using Spectre.Console;

namespace Cow.Controller.Cli.Output;

/// <summary>Shows on a terminal how far a long verb is; nothing anywhere else.</summary>
internal static class ProgressBar
{
    /// <summary>Runs some work, which tells how many bytes of how many it has done.</summary>
    public static void During(Screen screen, string what, Action<Action<ulong, ulong>> work)
    {
        if (screen.ErrorTerminal)
        {
            Show(screen.Error, what, work);
        }
        else
        {
            work(static (_, _) => { });
        }
    }

    // A method of its own, so that only a terminal pays for loading Spectre.Console.
    private static void Show(TextWriter output, string what, Action<Action<ulong, ulong>> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            // It knows a terminal only by the writer of the process.
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(output),
        });
        Progress progress = new Progress(console)
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn());
        progress.Start(context =>
        {
            ProgressTask task = context.AddTask(Markup.Escape(what));
            work((done, total) =>
            {
                task.MaxValue = total;
                task.Value = done;
            });
        });
    }
}
