// SPDX-License-Identifier: MIT
using Cow.Controller.Cli;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;

namespace Cow.Controller;

/// <summary>The entry point of <c>cowctl</c>.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        StandardFiles.OpenClosed();
        if (args is ["daemon", "run", ..] and not [.., "--help" or "-h" or "-?"])
        {
            Pinning.Begin();
        }

        DaemonPaths paths = DaemonPaths.Default;
        SocketClient client = new(paths);
        CliHost host = new(
            Screen.OfProcess(),
            client,
            new DaemonStarter(paths, client),
            new LinuxMachine(paths),
            new StoreShelf(new StoreFiles(paths)));
        return new CliApp(host).Run(args);
    }
}
