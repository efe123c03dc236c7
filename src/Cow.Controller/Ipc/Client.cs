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

    /// <summary>A socket for a daemon that may be stopped: connecting waits, too, once as many wait to be taken in as it lets.</summary>
    /// <param name="milliseconds">How long each step may take.</param>
    public static Socket NewSocket(int milliseconds) => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
    {
        SendTimeout = milliseconds,
        ReceiveTimeout = milliseconds,
    };

    /// <summary>The daemon lives, and has not answered in time.</summary>
    public static bool IsSilence(SocketException e) => e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock;

    /// <summary>One request, one answer. A daemon that cannot be reached, or does not answer in time, is a <see cref="ExitCode.NoDaemon"/>
    /// failure.</summary>
    public Response Send(Request request)
    {
        using Socket socket = NewSocket(checked((int)limit.TotalMilliseconds));
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        }
        catch (SocketException e) when (IsSilence(e))
        {
            return Silence();
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
        try
        {
            LineSocket.Write(socket, request, JsonContext.Default.Request);
            return LineSocket.Read(socket, JsonContext.Default.Response, LineSocket.MostResponseBytes)
                ?? NoDaemon("ended before it answered", "look at its log");
        }
        catch (SocketException e) when (IsSilence(e))
        {
            return Silence();
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

    private Response Silence() => NoDaemon(
        $"did not answer within {limit.TotalSeconds} s", "look at its log; where it hangs or is stopped, \"cowctl daemon run --takeover\" goes on in its place");

    private static Response NoDaemon(string reason, string cure) =>
        new(Error: new Failure(ExitCode.NoDaemon, "daemon", reason, cure));
}
