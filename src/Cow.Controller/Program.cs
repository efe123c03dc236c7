// SPDX-License-Identifier: MIT
using Cow.Controller.Cli;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller;

/// <summary>The entry point of <c>cowctl</c>.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        StandardFiles.OpenClosed();
        // An image can have a hundred files, which each thread of a conversion opens for itself, and each device of a daemon has some ten.
        _ = DescriptorLimit.TryRaise();
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
