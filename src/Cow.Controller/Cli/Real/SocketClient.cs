// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Real;

/// <summary>The daemon behind its socket.</summary>
internal sealed class SocketClient(DaemonPaths paths) : IDaemonClient
{
    public bool IsRunning
    {
        get
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(paths.Socket));
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }
    }

    public Response Send(Request request) => new Client(paths.Socket, Client.DefaultLimit).Send(request);
}
