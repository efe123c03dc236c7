// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text.Json;

namespace Cow.Controller.Ipc;

/// <summary>Asks the daemon. Every failure to do so is a value.</summary>
/// <param name="socketPath">The daemon's socket.</param>
/// <param name="limit">How long an answer may take; creating a device on a slow machine takes seconds.</param>
internal sealed class Client(string socketPath, TimeSpan limit)
{
    public static TimeSpan DefaultLimit { get; } = TimeSpan.FromMinutes(2);

    /// <summary>One request, one answer. A daemon that cannot be reached, or does not answer in time, is a <see cref="ExitCode.NoDaemon"/>
    /// failure.</summary>
    public Response Send(Request request)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        }
        catch (SocketException e)
        {
            return NoDaemon(
                $"cannot be reached ({e.SocketErrorCode})",
                e.SocketErrorCode == SocketError.AccessDenied ? "run as root" : "start it with 'cowctl daemon run'");
        }

        return Exchange(socket, request);
    }

    private Response Exchange(Socket socket, Request request)
    {
        socket.SendTimeout = socket.ReceiveTimeout = checked((int)limit.TotalMilliseconds);
        try
        {
            LineSocket.Write(socket, request, JsonContext.Default.Request);
            return LineSocket.Read(socket, JsonContext.Default.Response)
                ?? NoDaemon("ended before it answered", "look at its log");
        }
        catch (SocketException e)
        {
            return NoDaemon($"did not answer ({e.SocketErrorCode})", "look at its log");
        }
        catch (JsonException e)
        {
            return NoDaemon($"answered nonsense ({e.Message})", "check that cowctl and the daemon are of one version");
        }
    }

    private static Response NoDaemon(string reason, string cure) =>
        new(Error: new Failure(ExitCode.NoDaemon, "daemon", reason, cure));
}
