// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Cow.Controller.Ipc;

/// <summary>One JSON value on one line, over a stream socket.</summary>
internal static class LineSocket
{
    /// <summary>A request that is longer is refused: nobody may make the daemon hold more.</summary>
    public const int MostRequestBytes = 1 << 20;

    /// <summary>An answer may tell of hundreds of thousands of devices; one that is longer is none of our daemon's.</summary>
    public const int MostResponseBytes = 256 << 20;

    public static void Write<T>(Socket socket, T value, JsonTypeInfo<T> type)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(value, type);
        Array.Resize(ref text, text.Length + 1);
        text[^1] = (byte)'\n';
        for (int sent = 0; sent < text.Length;)
        {
            sent += socket.Send(text.AsSpan(sent), SocketFlags.None);
        }
    }

    /// <summary>Null at the end of the stream.</summary>
    /// <param name="socket">Connected.</param>
    /// <param name="type">Of the value.</param>
    /// <param name="mostBytes">A longer line is refused; a power of two.</param>
    /// <exception cref="JsonException">The line is no such value, is too long, or ends early.</exception>
    /// <exception cref="SocketException">Also when the socket's time limit passes.</exception>
    public static T? Read<T>(Socket socket, JsonTypeInfo<T> type, int mostBytes)
        where T : class
    {
        byte[] buffer = new byte[4096];
        int length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length < mostBytes ? buffer.Length * 2 : throw new JsonException("line too long"));
            }

            int got = socket.Receive(buffer.AsSpan(length), SocketFlags.None);
            int end = buffer.AsSpan(length, got).IndexOf((byte)'\n');
            if (end >= 0)
            {
                return JsonSerializer.Deserialize(buffer.AsSpan(0, length + end), type);
            }

            length += got;
            if (got == 0)
            {
                return length == 0 ? null : throw new JsonException("line ends early");
            }
        }
    }
}
