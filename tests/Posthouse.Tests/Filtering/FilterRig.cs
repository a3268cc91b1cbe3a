using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Tests.Filtering;

/// <summary>Filters that a test plays, in a chain, and sessions that go through it.</summary>
internal sealed class FilterRig : IAsyncDisposable, ILogger
{
    private readonly FilterEnvironment _environment;
    private readonly TableSet _tables;
    private readonly List<SessionFilters> _sessions = [];
    private ulong _session = 0x1000;

    private FilterRig(TableSet tables, TimeProvider time, PlugCommand command, FilterDefinition[] members, string[] programs)
    {
        _tables = tables;
        _environment = new() { Admd = "mx.example.org", SpoolDirectory = Path.Combine(Path.GetTempPath(), "posthouse-filter-tests"), MaxMessageSize = 8 << 20, Time = time, Logger = this };
        Hosts = new(Played);
        FilterDefinition[] all = [.. members, .. programs.Select(name => new FilterDefinition.Program(new(name, command)) { Name = name })];
        Chain = FilterChain.Create(new FilterDefinition.Chain([.. all]) { Name = "chain" }, tables, process =>
        {
            FilterHost host = Hosts.Acquire(process, _environment);
            Acquired.Add(host);
            return host;
        }, _environment);
    }

    public PlayedFilters Played { get; } = new();

    public FilterHosts Hosts { get; }

    public FilterChain Chain { get; }

    public List<FilterHost> Acquired { get; } = [];

    public List<string> Lines { get; } = [];

    public string Log
    {
        get
        {
            lock (Lines) return string.Join('\n', Lines);
        }
    }

    /// <summary>A chain of these builtin filters and then these programs, which all have the same options.</summary>
    public static async Task<FilterRig> CreateAsync(
        string[] programs, PlugCommand? command = null, TimeProvider? time = null, FilterDefinition[]? builtins = null, TableDefinition[]? tables = null)
    {
        TableSet set = await TableSet.OpenAsync(tables ?? [], new() { ServerName = "mx.example.org", SubAddressDelimiter = '+', Time = TimeProvider.System, Logger = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance });
        return new(set, time ?? TimeProvider.System, command ?? new("filter"), builtins ?? [], programs);
    }

    /// <summary>A chain of one program that has registered, and that program.</summary>
    public static async Task<(FilterRig Rig, FilterSide Filter)> StartAsync(string[] registers, PlugCommand? command = null, TimeProvider? time = null)
    {
        FilterRig rig = await CreateAsync(["f"], command, time);
        FilterSide filter = await (await rig.Played.NextAsync()).RegisterAsync(registers);
        await rig.ReadyAsync();
        return (rig, filter);
    }

    /// <summary>Waits until every program is ready.</summary>
    public async Task ReadyAsync()
    {
        for (int i = 0; i < 5000 && !Hosts.Report().All(static status => status.State == "ready"); i++) await Task.Delay(2);
        Assert.All(Hosts.Report(), static status => Assert.Equal("ready", status.State));
    }

    /// <summary>A session of a client, which has said who it is.</summary>
    public SessionFilters Connect()
    {
        SessionFilters session = Chain.Begin((_session++).ToString("x16", System.Globalization.CultureInfo.InvariantCulture));
        lock (_sessions) _sessions.Add(session);
        session.LinkConnect(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 4000), new IPEndPoint(IPAddress.Parse("192.0.2.25"), 25), "client.example.net", ForwardConfirmation.Pass);
        return session;
    }

    /// <summary>A session with an open transaction.</summary>
    public SessionFilters Begin(uint message = 0x11223344)
    {
        SessionFilters session = Connect();
        session.LinkIdentify(true, "client.example.net");
        session.TxBegin(new MessageId(message));
        session.TxMail(new SmtpReply(250, "Ok"), "a@example.net");
        session.TxRcpt(new SmtpReply(250, "Ok"), "b@example.org");
        return session;
    }

    /// <summary>Sends a message through; answers what came out and the reply, if any.</summary>
    public static async Task<(string Output, SmtpReply? Refusal)> SendAsync(SessionFilters session, string content)
    {
        StringBuilder output = new();
        MessageFiltering? filtering = session.BeginMessage(block =>
        {
            output.Append(Encoding.Latin1.GetString(block.Span));
            return default;
        });
        Assert.NotNull(filtering);
        byte[] bytes = Encoding.Latin1.GetBytes(content);
        for (int done = 0; done < bytes.Length; done += 4096) await filtering.WriteAsync(bytes.AsMemory(done, Math.Min(4096, bytes.Length - done)));
        SmtpReply? refusal = await filtering.CompleteAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        return (output.ToString(), refusal);
    }

    public async ValueTask DisposeAsync()
    {
        lock (_sessions)
            foreach (SessionFilters session in _sessions) session.LinkDisconnect();
        Task ending = Hosts.DisposeAsync().AsTask();
        Played.End();
        await ending.WaitAsync(TimeSpan.FromSeconds(60));
        await _tables.DisposeAsync();
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (Lines) Lines.Add(formatter(state, exception) + (exception is null ? "" : $" {exception}"));
    }
}
