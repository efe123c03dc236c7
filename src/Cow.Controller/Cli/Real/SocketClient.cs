// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text.Json;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Real;

/// <summary>The daemon behind its socket.</summary>
/// <param name="paths">Where that is.</param>
/// <param name="pingMilliseconds">How long a daemon may take that is alive: one that is stopped, or has no processor, still is one.</param>
internal sealed class SocketClient(DaemonPaths paths, int pingMilliseconds = 5_000) : IDaemonClient
{
    public bool IsRunning
    {
        get
        {
            using Socket socket = Client.NewSocket(pingMilliseconds);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(paths.Socket));
                // One that was killed is connected to until its memory is gone; it only does not answer.
                LineSocket.Write(socket, new Request(Verbs.Ping), JsonContext.Default.Request);
                return LineSocket.Read(socket, JsonContext.Default.Response, LineSocket.MostResponseBytes) is not null;
            }
            catch (SocketException e)
            {
                return Client.IsSilence(e);
            }
            catch (JsonException)
            {
                // Of another version, which is for those to say who ask it.
                return true;
            }
        }
    }

    public Response Send(Request request) => new Client(paths.Socket, Client.DefaultLimit).Send(request);
}
