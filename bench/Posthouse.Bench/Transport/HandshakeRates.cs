using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Bench.Transport;

/// <summary>
/// Full TLS handshakes per second with the key in a process of its own beside the same with the key here, and the CPU of the server's side for each.
/// The clients are in a process of their own, and take their share of the machine.
/// </summary>
internal static class HandshakeRates
{
    /// <summary>The first argument of the process with the clients.</summary>
    public const string ClientArgument = "handshake-clients";

    /// <summary>The first argument of the process with the keys.</summary>
    public const string KeysArgument = "handshake-keys";

    private const int Clients = 16;
    private const int Rounds = 3;
    private const int ChannelDescriptor = 3;
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(3);

    public static async Task RunAsync()
    {
        Console.WriteLine("key        protocol  where    handshakes/s  CPU us each");
        foreach (string kind in (string[])["P-256", "RSA-2048"])
            foreach (string protocol in (string[])["Tls12", "Tls13"])
                await CompareAsync(kind, protocol);
        Console.WriteLine("signature  us here  us process");
        foreach (string kind in (string[])["P-256", "RSA-2048"])
            await CompareSignaturesAsync(kind);
    }

    /// <summary>The keys process.</summary>
    public static int ServeKeys()
    {
        KeysProcess.WarmUp();
        return KeysProcess.Serve(ChannelDescriptor);
    }

    /// <summary>Makes handshakes until the standard input ends.</summary>
    public static async Task RunClientsAsync(int port, string protocol)
    {
        SslClientAuthenticationOptions options = new()
        {
            TargetHost = "mx.example.org",
            AllowTlsResume = false,
            EnabledSslProtocols = Enum.Parse<System.Security.Authentication.SslProtocols>(protocol),
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
        };
        using CancellationTokenSource stop = new();
        Task[] clients = [.. Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new(true, 0) };
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
                await using SslStream stream = new(new NetworkStream(socket));
                await stream.AuthenticateAsClientAsync(options);
                // The server says a word when it is done, too.
                await stream.ReadExactlyAsync(new byte[1]);
            }
        }))];
        await Console.In.ReadToEndAsync();
        await stop.CancelAsync();
        await Task.WhenAny(Task.WhenAll(clients), Task.Delay(2000));
    }

    private static async Task CompareAsync(string kind, string protocol)
    {
        // Two certificates, as SslStream keeps what it made for one.
        (string Certificate, string Key) here = Make(kind), there = Make(kind);
        await using Keys keys = await Keys.StartAsync();
        await keys.LoadAsync(there);
        CertificateStore store = new(keys.Signer, NullLogger.Instance);
        store.Update("here", ServerCertificate.FromPem(here.Certificate, here.Key));
        if (store.Update("there", there.Certificate) is { } fault) throw new InvalidOperationException(fault.Detail);
        List<(double Rate, double Cpu)> inside = [], outside = [];
        for (int round = 0; round < Rounds; round++)
        {
            inside.Add(await MeasureAsync(store, "here", protocol, null));
            outside.Add(await MeasureAsync(store, "there", protocol, keys));
        }
        (double Rate, double Cpu) one = Median(inside), other = Median(outside);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind,-9}  {protocol,-8}  here     {one.Rate,12:f0}  {one.Cpu,11:f0}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind,-9}  {protocol,-8}  process  {other.Rate,12:f0}  {other.Cpu,11:f0}   {other.Rate / one.Rate:p0} of the rate, {other.Cpu / one.Cpu:p0} of the CPU"));
    }

    private static async Task CompareSignaturesAsync(string kind)
    {
        (string Certificate, string Key) pair = Make(kind);
        await using Keys keys = await Keys.StartAsync();
        await keys.LoadAsync(pair);
        using KeyTable table = new();
        using SafeFileHandle file = MemoryFile.Create("key", System.Text.Encoding.ASCII.GetBytes(pair.Key));
        KeyId id = table.Load(pair.Certificate, file, out _)!.Value;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind,-9}  {Time(table),7:f0}  {Time(keys.Signer),10:f0}"));

        double Time(IKeySigner signer)
        {
            byte[] signature = new byte[SignatureInput.MaxSize];
            byte[] input = kind == "P-256" ? new byte[32] : SignatureInput.Sha256Info(new byte[32]);
            KeyOperation operation = kind == "P-256" ? KeyOperation.Ecdsa : KeyOperation.RsaPkcs1;
            List<double> times = [];
            for (int i = 0; i < 3000; i++)
            {
                long started = Stopwatch.GetTimestamp();
                if (signer.Sign(id, operation, input, signature, out string? problem) == 0) throw new InvalidOperationException(problem);
                times.Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
            }
            return times.Order().ElementAt(times.Count / 2);
        }
    }

    private static (double Rate, double Cpu) Median(List<(double Rate, double Cpu)> samples) =>
        (samples.Select(static sample => sample.Rate).Order().ElementAt(Rounds / 2), samples.Select(static sample => sample.Cpu).Order().ElementAt(Rounds / 2));

    private static async Task<(double Rate, double Cpu)> MeasureAsync(CertificateStore store, string name, string protocol, Keys? keys)
    {
        using DeadlineWatch watch = new(TimeProvider.System);
        using HandshakeThreads threads = new();
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(512);
        TlsServer tls = TlsServer.Create(new TlsOptions([name]), store, threads, NullLogger.Instance, out _)!;
        long count = 0;
        using CancellationTokenSource stop = new();
        Listener listener = new(socket, watch, new SessionLimiter(1000, 1000), async (connection, _) =>
        {
            if (await connection.UpgradeToTlsAsync(tls, TimeSpan.FromSeconds(10)) is not null) return;
            Interlocked.Increment(ref count);
            await connection.SendAsync(new byte[1]);
            await connection.ReceiveAsync(new byte[1]);
        }, NullLogger.Instance);
        Task running = listener.RunAsync(stop.Token);
        using Process clients = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [ClientArgument, ((IPEndPoint)socket.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture), protocol]) { RedirectStandardInput = true })!;
        while (Interlocked.Read(ref count) < 200) await Task.Delay(10);

        long before = Interlocked.Read(ref count), started = Stopwatch.GetTimestamp();
        TimeSpan cpu = Cpu(keys);
        await Task.Delay(s_duration);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        cpu = Cpu(keys) - cpu;
        long done = Interlocked.Read(ref count) - before;
        clients.StandardInput.Close();
        await clients.WaitForExitAsync();
        await stop.CancelAsync();
        listener.Dispose();
        await running;
        return (done / seconds, cpu.TotalMicroseconds / done);
    }

    private static TimeSpan Cpu(Keys? keys)
    {
        using Process self = Process.GetCurrentProcess();
        return self.TotalProcessorTime + (keys?.Cpu ?? TimeSpan.Zero);
    }

    private static (string Certificate, string Key) Make(string kind)
    {
        using AsymmetricAlgorithm key = kind == "P-256" ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : RSA.Create(2048);
        CertificateRequest request = key is RSA rsa
            ? new("CN=mx.example.org", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new("CN=mx.example.org", (ECDsa)key, HashAlgorithmName.SHA256);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return (made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A keys process, and sockets to it, as many as there are handshake threads.</summary>
    private sealed class Keys(int process, Channel channel, SigningSockets signer) : IAsyncDisposable
    {
        private readonly KeysClient _client = new(channel);

        public SigningSockets Signer { get; } = signer;

        public TimeSpan Cpu
        {
            get
            {
                using Process keys = Process.GetProcessById(process);
                return keys.TotalProcessorTime;
            }
        }

        public static async Task<Keys> StartAsync()
        {
            PacketSocket.Pair(out int ours, out int theirs);
            string[] environment = [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(static one => $"{one.Key}={one.Value}")];
            int error = ChildProcess.Spawn([Environment.ProcessPath!, KeysArgument], environment, [0, 1, 2, theirs], out int process);
            if (error != 0) throw new InvalidOperationException(Errno.Text(error));
            new SafeFileHandle(theirs, ownsHandle: true).Dispose();
            Keys keys = new(process, new Channel(ours, "keys", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance), new SigningSockets(TimeProvider.System, NullLogger.Instance));
            List<SafeFileHandle> given = [];
            List<int> kept = [];
            for (int i = 0; i < Environment.ProcessorCount * 2; i++)
            {
                PacketSocket.Pair(out int asking, out int answering);
                kept.Add(asking);
                given.Add(new(answering, ownsHandle: true));
            }
            if (await keys._client.GiveSocketsAsync(given) is { } fault) throw new InvalidOperationException(fault.Detail);
            foreach (SafeFileHandle handle in given) handle.Dispose();
            keys.Signer.Replace(kept);
            return keys;
        }

        public async Task LoadAsync((string Certificate, string Key) pair)
        {
            using SafeFileHandle file = MemoryFile.Create("key", System.Text.Encoding.ASCII.GetBytes(pair.Key));
            if ((await _client.LoadAsync(pair.Certificate, file)).Fault is { } fault) throw new InvalidOperationException(fault.Detail);
        }

        public ValueTask DisposeAsync()
        {
            channel.Dispose();
            Signer.Dispose();
            ChildProcess.TryReap(process, wait: true, out _, out _);
            return default;
        }
    }
}
