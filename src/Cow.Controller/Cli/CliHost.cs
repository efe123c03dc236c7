// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli;

/// <summary>The world outside the command line; a test puts its own in.</summary>
internal sealed record CliHost(Screen Screen, IDaemonClient Client, IDaemonStarter Starter, IMachine Machine, IStoreShelf Stores)
{
    /// <summary>Where the state of live devices is, whose files the offline verbs leave alone.</summary>
    public DaemonPaths Paths { get; init; } = DaemonPaths.Default;

    /// <summary>Throws unless this process may administer devices.</summary>
    public void DemandRoot(string verb)
    {
        if (!Machine.IsRoot)
        {
            throw new CliException(ExitCode.Permission, verb, "only root may do this", "run it with sudo");
        }
    }

    /// <summary>Asks a daemon that runs already.</summary>
    /// <exception cref="CliException">It does not run, or refused.</exception>
    public Response Ask(Request request) => Checked(Client.Send(request));

    /// <summary>As <see cref="Ask"/>, and starts the daemon when it does not run. Never sends twice: a request that got no answer may have
    /// been carried out.</summary>
    public Response AskStarting(Request request)
    {
        if (!Client.IsRunning)
        {
            Starter.Start();
        }

        return Ask(request);
    }

    /// <summary>As <see cref="AskStarting"/>, about a device that exists: where no daemon runs and none would find a device, there is none.</summary>
    public Response AskAbout(string name, Request request) => Client.IsRunning || Starter.HasDevices
        ? AskStarting(request)
        : throw new CliException(ExitCode.NotFound, name, "there is no such device", "see \"cowctl list\"");

    private static Response Checked(Response response) => response.Error is null ? response : throw new CliException(response.Error);
}
