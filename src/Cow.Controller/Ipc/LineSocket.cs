// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Cow.Controller.Ipc;

/// <summary>One JSON value on one line, over a stream socket.</summary>
internal static class LineSocket
{
    /// <summary>A longer line is refused: nobody may make the daemon hold more.</summary>
    public const int MostBytes = 1 << 20;

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
    /// <exception cref="JsonException">The line is no such value, is too long, or ends early.</exception>
    /// <exception cref="SocketException">Also when the socket's time limit passes.</exception>
    public static T? Read<T>(Socket socket, JsonTypeInfo<T> type)
        where T : class
    {
        byte[] buffer = new byte[4096];
        int length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length < MostBytes ? buffer.Length * 2 : throw new JsonException("line too long"));
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
