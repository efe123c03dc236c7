// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Text;
using Cow.Controller.Cli.Real;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class ServerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly List<Exception> _defects = [];
    private string _directory = "";
    private Server? _server;

    private string Path => System.IO.Path.Combine(_directory, "s");

    [SetUp]
    public void SetUp()
    {
        _directory = Directory.CreateTempSubdirectory("cow").FullName;
        _defects.Clear();
    }

    [TearDown]
    public void TearDown()
    {
        _server?.Dispose();
        _server = null;
        Directory.Delete(_directory, recursive: true);
    }

    [Test]
    public void ARequestAndItsAnswerArriveWhole()
    {
        var spec = new CreateSpec("vm1", "/b", "/c", 1024, "bitmap", 100, ["/l1", "/l2,/m2"], "/m", 7, NoSpacePolicy.Error, true, false, true);
        Request? seen = null;
        Start(request =>
        {
            seen = request;
            return new Response(Compaction: new CompactReport(3, 1, 12, 0.25));
        });
        Response response = new Client(Path, Limit).Send(new Request(Verbs.Create, Create: spec));
        Assert.That(response.Compaction, Is.EqualTo(new CompactReport(3, 1, 12, 0.25)));
        Assert.That(seen!.Create! with { Layers = spec.Layers }, Is.EqualTo(spec));
        Assert.That(seen.Create!.Layers, Is.EqualTo(spec.Layers));
    }

    [Test]
    public void AnAnswerAboutThousandsOfDevicesArrives()
    {
        DeviceReport[] devices = [.. Enumerable.Range(0, 3000).Select(static i => CliFakeWorld.Device with { Name = $"vm{i}" })];
        Start(_ => new Response(Devices: devices));
        Response response = new Client(Path, Limit).Send(new Request(Verbs.List));
        Assert.That(response.Error, Is.Null);
        Assert.That(response.Devices, Is.EqualTo(devices));
    }

    [Test]
    public void ARequestThatIsTooLongIsRefused()
    {
        Start(_ => new Response());
        Response response = new Client(Path, Limit).Send(new Request(Verbs.Status, new string('x', LineSocket.MostRequestBytes)));
        Assert.That(response.Error, Is.Not.Null);
    }

    [Test]
    public void NoSocketIsNoDaemon() =>
        Assert.That(new Client(Path, Limit).Send(new Request(Verbs.Ping)).Error!.Code, Is.EqualTo(ExitCode.NoDaemon));

    [Test]
    public void ADaemonThatDoesNotAnswerIsNoDaemon()
    {
        using var release = new ManualResetEventSlim();
        Start(_ =>
        {
            release.Wait();
            return new Response();
        });
        Response response = new Client(Path, TimeSpan.FromMilliseconds(100)).Send(new Request(Verbs.List));
        release.Set();
        Assert.That(response.Error!.Code, Is.EqualTo(ExitCode.NoDaemon));
    }

    /// <summary>One that is stopped takes nobody in: when as many wait as its socket lets, the next one is not even connected.</summary>
    [Test]
    public void ADaemonThatTakesNobodyInIsNoDaemon()
    {
        var paths = new DaemonPaths(_directory, _directory, _directory);
        using Socket listener = Client.NewSocket(0);
        listener.Bind(new UnixDomainSocketEndPoint(paths.Socket));
        listener.Listen(1);
        List<Socket> waiting = [];
        try
        {
            Assert.That(() => Fill(paths.Socket, waiting), Throws.TypeOf<SocketException>().With.Property("SocketErrorCode").EqualTo(SocketError.WouldBlock));
            Task<Response> asked = Task.Run(() => new Client(paths.Socket, TimeSpan.FromMilliseconds(100)).Send(new Request(Verbs.List)));
            Assert.That(asked.Wait(Limit), "it waits for ever");
            Assert.That(asked.Result.Error!.Code, Is.EqualTo(ExitCode.NoDaemon));
            Assert.That(asked.Result.Error.Reason, Is.EqualTo("did not answer within 0.1 s"));
            Assert.That(asked.Result.Error.Cure, Does.Contain("cowctl daemon run --takeover"));
            Task<bool> running = Task.Run(() => new SocketClient(paths, 100).IsRunning);
            Assert.That(running.Wait(Limit), "it waits for ever");
            Assert.That(running.Result, "it lives");
        }
        finally
        {
            waiting.ForEach(static socket => socket.Dispose());
        }
    }

    [Test]
    public void AnExceptionIsAnInternalFailureAndTheServerGoesOn()
    {
        Start(request => request.Verb == Verbs.List ? throw new InvalidOperationException("oops") : new Response());
        var client = new Client(Path, Limit);
        Assert.That(client.Send(new Request(Verbs.List)).Error!.Code, Is.EqualTo(ExitCode.Internal));
        Assert.That(client.Send(new Request(Verbs.Ping)).Error, Is.Null);
        Assert.That(_defects, Has.Count.EqualTo(1));
    }

    [Test]
    public void NonsenseIsRefused()
    {
        Start(_ => new Response());
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path));
        _ = socket.Send(Encoding.UTF8.GetBytes("{nonsense\n"));
        Response? response = LineSocket.Read(socket, JsonContext.Default.Response, LineSocket.MostResponseBytes);
        Assert.That(response!.Error!.Code, Is.EqualTo(ExitCode.Usage));
    }

    [Test]
    public void ASlowVerbHoldsUpNoOther()
    {
        using var release = new ManualResetEventSlim();
        Start(request =>
        {
            if (request.Verb == Verbs.Compact)
            {
                release.Wait();
            }

            return new Response();
        });
        Task<Response> slow = Task.Run(() => new Client(Path, Limit).Send(new Request(Verbs.Compact)));
        Assert.That(new Client(Path, Limit).Send(new Request(Verbs.Ping)).Error, Is.Null);
        release.Set();
        Assert.That(slow.Result.Error, Is.Null);
    }

    [Test]
    public void OnlyTheOwnerMayConnect()
    {
        Start(_ => new Response());
        Assert.That(File.GetUnixFileMode(Path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public void ADeadSocketIsReplaced()
    {
        File.WriteAllText(Path, "");
        Start(_ => new Response());
        Assert.That(new Client(Path, Limit).Send(new Request(Verbs.Ping)).Error, Is.Null);
    }

    private static void Fill(string path, List<Socket> waiting)
    {
        for (int i = 0; i < 10; i++)
        {
            waiting.Add(Client.NewSocket(0));
            waiting[^1].Blocking = false;
            waiting[^1].Connect(new UnixDomainSocketEndPoint(path));
        }
    }

    private void Start(Func<Request, Response> answer)
    {
        _server = new Server(Path, answer, _defects.Add);
        _server.Start();
    }
}
