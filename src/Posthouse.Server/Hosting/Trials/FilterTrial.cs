using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;
using Posthouse.Server.Receiving;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>
/// Tries one filter: a server of one listener without a port, which accepts every recipient and keeps mail in memory. Its sessions, its filter engine and the filter
/// are the real ones; every line between server and filter is told.
/// </summary>
public sealed class FilterTrial : IAsyncDisposable
{
    private const string Name = "filter";
    private const int Port = 25;
    private const int ClientPort = 40000;

    // Longer than a start and a handshake may take.
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_settleLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_sessionLimit = TimeSpan.FromSeconds(30);

    private readonly FilterTrialOptions _options;
    private readonly TrialLog _log;
    private readonly Counters _counters = new();
    private readonly LocalPlugStarter _starter;
    private readonly FilterTap _tap;
    private readonly FilterHosts _hosts;
    private readonly MailQueue _queue;
    private readonly DeadlineWatch _watch = new(TimeProvider.System);
    private readonly HandshakeThreads _handshakes = new(1);
    private readonly TableSet _tables;
    private readonly DirectoryInfo _scratch;
    private readonly SmtpReceiver _receiver;
    private readonly List<Task> _sessions = [];
    private MessageId _last;

    private FilterTrial(FilterTrialOptions options, TableSet tables, Action<TrialLine> said)
    {
        _options = options;
        _tables = tables;
        _scratch = Directory.CreateTempSubdirectory("posthouse-filter-");
        _log = new(said);
        _starter = new(ServerUsers.None, TimeProvider.System, _log) { Directory = options.Directory };
        _tap = new(_starter, options.Crash, said);
        _hosts = new(_tap);
        _queue = new(new RamQueue(), new MailQueueOptions(), TimeProvider.System, _log, _counters);
        _queue.Committed += envelopes => _last = envelopes[0].Id.Message;
        FilterEnvironment environment = new() { Admd = options.ServerName, SpoolDirectory = _scratch.FullName, Time = TimeProvider.System, Logger = _log };
        FilterDefinition.Program filter = new(new(Name, options.Command)) { Name = Name };
        ReverseName name = new(options.ReverseName, options.ReverseName is null ? ForwardConfirmation.Fail : ForwardConfirmation.Pass);
        _receiver = new(
            new SessionProfile
            {
                ServerName = options.ServerName,
                IsLocalSocket = options.Client is null,
                LocalPath = options.Client is null ? "/var/spool/posthouse/smtp.sock" : "",
                Filters = FilterChain.Create(filter, tables, process => _hosts.Acquire(process, environment), environment),
                Tls = options.OffersTls ? ListenerTls.Offered : ListenerTls.None,
                TlsServer = options.OffersTls ? MakeTls() : null,
            },
            new ReceivingServices
            {
                Queue = _queue,
                Resolve = static (_, recipient, _) => new(Accept(recipient.ToString())),
                FindName = (_, _) => new(name),
                Time = TimeProvider.System,
                Logger = _log,
                Counters = _counters,
            });
    }

    /// <summary>How often the filter has been started again.</summary>
    public int Restarts => _hosts.Report() is [var filter] ? filter.Restarts : 0;

    /// <summary>Starts the filter, and waits until it is ready. The failure says why it is not; then there is no trial.</summary>
    /// <param name="options">What is tried.</param>
    /// <param name="said">Gets every line as it is said, from any thread and perhaps from several at once.</param>
    public static async Task<(FilterTrial? Trial, string? Failure)> StartAsync(FilterTrialOptions options, Action<TrialLine> said)
    {
        ArgumentNullException.ThrowIfNull(options);
        TableSet tables = await TableSet.OpenAsync([], new() { ServerName = options.ServerName, SubAddressDelimiter = '+', Time = TimeProvider.System, Logger = NullLogger.Instance });
        FilterTrial trial = new(options, tables, said);
        if (await trial.WaitUntilReadyAsync() is not { } failure) return (trial, null);
        await trial.DisposeAsync();
        return (null, failure);
    }

    /// <summary>Connects a client; the socket is the client's, which the caller disposes.</summary>
    /// <exception cref="IOException">There are no more descriptors.</exception>
    public Socket Connect()
    {
        if (DescriptorPair.Sockets(out int ours, out int theirs) is not 0 and int error) throw new IOException(Errno.Text(error));
        Connection connection = new(ToSocket(ours), _watch);
        if (_options.Client is { AddressFamily: var family } client)
        {
            IPAddress local = IPAddress.Parse(family == AddressFamily.InterNetworkV6 ? "2001:db8::25" : "192.0.2.25");
            connection.SetProxied(new(client, ClientPort), new(local, Port));
        }
        _sessions.Add(ServeAsync(connection));
        return ToSocket(theirs);
    }

    /// <summary>Waits until the sessions of clients that have gone are over, and a filter that was killed is there again and knows it.</summary>
    public async Task SettleAsync()
    {
        await Task.WhenAny(Task.WhenAll(_sessions), Task.Delay(s_sessionLimit));
        if (_options.Crash is null or { IsEveryTime: true }) return;
        long begun = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(begun) < s_settleLimit && (_tap.IsAwaited || !IsReady)) await Task.Delay(s_look);
    }

    /// <summary>The last message that was accepted; null: none was.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public async Task<TrialMessage?> ReadMessageAsync()
    {
        if (_last.IsNone) return null;
        OpenedMessage opened = await _queue.OpenMessageAsync(_last);
        if (opened.Content is null) throw new IOException(opened.Result.Message);
        await using Stream content = opened.Content;
        using MemoryStream copy = new();
        await content.CopyToAsync(copy);
        return new(copy.GetBuffer().AsMemory(0, (int)copy.Length), _tap.Given);
    }

    /// <summary>Ends the filter as the server does: its input ends, after two seconds it gets a signal.</summary>
    public async ValueTask DisposeAsync()
    {
        _watch.InterruptAll();
        await Task.WhenAny(Task.WhenAll(_sessions), Task.Delay(s_sessionLimit));
        await _hosts.DisposeAsync();
        _starter.Dispose();
        await _queue.DisposeAsync();
        await _tables.DisposeAsync();
        _watch.Dispose();
        _handshakes.Dispose();
        _scratch.Delete(recursive: true);
    }

    internal static Socket ToSocket(int descriptor) => LocalPlugStarter.ToSocket(new SafeFileHandle(descriptor, ownsHandle: true));

    private bool IsReady => _hosts.Report().All(static filter => filter.State is "ready" or "careful");

    private static Resolution Accept(string recipient) => Resolution.Accept(
    [
        new() { Kind = EnvelopeKind.Mda, Action = "keep", Rule = "filter run", Destination = recipient, Ttl = TimeSpan.FromDays(4) },
    ]);

    private async Task<string?> WaitUntilReadyAsync()
    {
        long begun = TimeProvider.System.GetTimestamp();
        while (!IsReady)
        {
            if (_log.Unready.IsCompleted) return await _log.Unready;
            if (TimeProvider.System.GetElapsedTime(begun) > s_startLimit) return "the filter did not become ready";
            await Task.Delay(s_look);
        }
        _log.IsReady = true;
        return null;
    }

    private async Task ServeAsync(Connection connection)
    {
        await using (connection)
            await _receiver.ServeAsync(connection, SessionAdmission.Admitted);
    }

    private TlsServer? MakeTls()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={_options.ServerName}", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        CertificateStore store = new(_log);
        store.Update(Name, ServerCertificate.FromPem(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem()));
        return TlsServer.Create(new TlsOptions([Name]), store, _handshakes, _log, out _);
    }
}
