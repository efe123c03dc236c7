// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text;

namespace Cow.Controller.Daemon;

/// <summary>Tells systemd how far a notify service is; sd_notify(3).</summary>
internal static class ServiceManager
{
    /// <summary>What may pass until the next device, or the end of waiting for all of them.</summary>
    private static readonly TimeSpan ForOneDevice = TimeSpan.FromMinutes(10);

    /// <summary>A device is next while the service starts. Without this word many that take long together would look like one that hangs, and the end of the
    /// service there would have its successor begin anew.</summary>
    public static void NextDevice() => Notify($"EXTEND_TIMEOUT_USEC={(long)ForOneDevice.TotalMicroseconds}");

    public static void Notify(string state)
    {
        string? path = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        if (string.IsNullOrEmpty(path))
        {
            return;
        }

        try
        {
            // '@' stands for the zero byte of an abstract address.
            var address = new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path);
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            _ = socket.SendTo(Encoding.UTF8.GetBytes(state), address);
        }
        catch (SocketException)
        {
            // A manager that does not listen is none.
        }
    }
}
