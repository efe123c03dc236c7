// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text.Json;

namespace Cow.Controller.Ipc;

/// <summary>
/// Listens on the daemon's socket. Each connection is served by a task of its own, so that a verb that waits for one device holds up no other.
/// </summary>
internal sealed class Server : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int Backlog = 64;

    private readonly string _path;
    private readonly Func<Request, Response> _answer;
    private readonly Action<Exception> _defect;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private Task _accepting = Task.CompletedTask;
    private int _answering;

    /// <summary>Prepares a server.</summary>
    /// <param name="path">The socket. A dead one left by a former daemon is replaced: the caller holds the daemon's lock.</param>
    /// <param name="answer">Called for each request, from any thread.</param>
    /// <param name="defect">Told of exceptions that <paramref name="answer"/> should not have thrown.</param>
    public Server(string path, Func<Request, Response> answer, Action<Exception> defect)
    {
        _path = path;
        _answer = answer;
        _defect = defect;
    }

    /// <summary>On return clients can connect.</summary>
    public void Start()
    {
        File.Delete(_path);
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        // Before listen: nobody can connect while the mode is still the umask's.
        File.SetUnixFileMode(_path, OwnerOnly);
        _listener.Listen(Backlog);
        _accepting = Task.Run(AcceptAsync);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _ = _accepting.Wait(TimeSpan.FromSeconds(1));
        // Whoever asked for the end is still to be told that it came.
        _ = SpinWait.SpinUntil(() => Volatile.Read(ref _answering) == 0, TimeSpan.FromSeconds(2));
        File.Delete(_path);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket client = await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                // Not awaited: a connection answers for itself.
                _ = Task.Factory.StartNew(
                    () => Serve(client), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // For example too many open files: this client lost, the next may not.
                _defect(e);
                await Task.Delay(TimeSpan.FromMilliseconds(50)).ConfigureAwait(false);
            }
        }
    }

    private void Serve(Socket client)
    {
        using (client)
        {
            client.SendTimeout = 5_000;
            try
            {
                while (LineSocket.Read(client, JsonContext.Default.Request, LineSocket.MostRequestBytes) is { } request)
                {
                    _ = Interlocked.Increment(ref _answering);
                    try
                    {
                        LineSocket.Write(client, Answer(request), JsonContext.Default.Response);
                    }
                    finally
                    {
                        _ = Interlocked.Decrement(ref _answering);
                    }
                }
            }
            catch (JsonException e)
            {
                Refuse(client, e);
            }
            catch (SocketException)
            {
                // The client went away; there is nobody to tell.
            }
        }
    }

    private static void Refuse(Socket client, JsonException e)
    {
        var failure = new Failure(ExitCode.Usage, "request", $"is not understood ({e.Message})", "use a cowctl of the daemon's version");
        try
        {
            LineSocket.Write(client, new Response(Error: failure), JsonContext.Default.Response);
        }
        catch (SocketException)
        {
            // As above.
        }
    }

#pragma warning disable CA1031 // One request's defect must not end the daemon; it is logged and answered.
    private Response Answer(Request request)
    {
        try
        {
            return _answer(request);
        }
        catch (Exception e)
        {
            _defect(e);
            return new Response(Error: new Failure(ExitCode.Internal, request.Name ?? "daemon", e.Message, "report it, with the daemon's log"));
        }
    }
#pragma warning restore CA1031
}
