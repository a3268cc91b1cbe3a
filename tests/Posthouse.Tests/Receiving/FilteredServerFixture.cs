using System.Net.Sockets;
using System.Text.RegularExpressions;
using Posthouse.Server.Receiving;
using Posthouse.Tests.Filtering;

namespace Posthouse.Tests.Receiving;

/// <summary>A receiver with one filter that hears of everything, passes messages on unless told otherwise, and writes down what it was told and asked (<c>?</c>).</summary>
internal sealed class FilteredServerFixture : IAsyncDisposable
{
    private static readonly string[] s_phases = ["connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "data-line", "commit", "rset", "quit", "noop"];

    private readonly FilterRig _rig;
    private readonly FilterSide _filter;
    private readonly List<string> _heard = [];
    private readonly Dictionary<string, string> _names = [];
    private readonly SemaphoreSlim _written = new(0);
    private Task _playing = Task.CompletedTask;

    private FilteredServerFixture(FilterRig rig, FilterSide filter, SessionProfile profile, Func<ReceivingServices, ReceivingServices>? change)
    {
        _rig = rig;
        _filter = filter;
        Server = new(profile with { Filters = rig.Chain }, change);
    }

    public SmtpServerFixture Server { get; }

    /// <summary>Decides by phase and parameters; null is to proceed.</summary>
    public Func<string, string, string?> Decide { get; set; } = static (_, _) => null;

    /// <summary>What becomes of a line of a message.</summary>
    public Func<string, string[]> Pass { get; set; } = static line => [line];

    /// <summary>Events and phases that are not written down.</summary>
    public string[] Ignored { get; set; } = [];

    /// <summary>Whether ids are written down as they are.</summary>
    public bool KeepsIds { get; set; }

    public static async Task<FilteredServerFixture> StartAsync(SessionProfile? profile = null, bool wantsLines = true, Func<ReceivingServices, ReceivingServices>? change = null)
    {
        string[] registers = ["report|smtp-in|*", .. s_phases.Where(phase => wantsLines || phase != "data-line").Select(static phase => $"filter|smtp-in|{phase}")];
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(registers);
        return new(rig, filter, profile ?? SmtpServerFixture.Profile, change);
    }

    /// <summary>The filter begins to listen to one session.</summary>
    public SmtpServerFixture Listen()
    {
        _playing = PlayAsync();
        return Server;
    }

    /// <summary>Says all this in one piece, and answers what the server said.</summary>
    public async Task<string> SayAsync(string text)
    {
        Socket client = await Listen().ConnectAsync("192.0.2.1");
        await SmtpServerFixture.SendAsync(client, text.ReplaceLineEndings("\r\n"));
        client.Shutdown(SocketShutdown.Send);
        return await Server.ReadToEndAsync(client);
    }

    /// <summary>Waits until the filter has heard a line.</summary>
    public async Task HearAsync(string line)
    {
        while (true)
        {
            lock (_heard)
                if (_heard.Contains(line)) return;
            Assert.True(await _written.WaitAsync(TimeSpan.FromSeconds(60)));
        }
    }

    /// <summary>What the filter heard, when the session is over: ids of messages and envelopes are numbered.</summary>
    public async Task<string> HeardAsync()
    {
        await _playing.WaitAsync(TimeSpan.FromSeconds(60));
        return string.Join('\n', _heard);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await _rig.DisposeAsync();
        _written.Dispose();
    }

    private async Task PlayAsync()
    {
        while (_heard is not [.., "link-disconnect"])
        {
            string[] fields = (await _filter.ReadAsync()).Split('|', 6);
            string parameters;
            if (fields[0] == "report")
            {
                parameters = fields[5].Length > 16 ? fields[5][16..] : "";
                Write(fields[4], fields[4], parameters);
                continue;
            }
            string[] rest = fields[5].Split('|', 3);
            parameters = rest[2];
            Write(fields[4], $"? {fields[4]}", parameters.Length == 0 ? "" : $"|{parameters}");
            if (fields[4] == "data-line")
                await _filter.SayAsync([.. (parameters == "." ? [parameters] : Pass(parameters)).Select(line => $"filter-dataline|{rest[0]}|{rest[1]}|{line}")]);
            else
                await _filter.SayAsync($"filter-result|{rest[0]}|{rest[1]}|{Decide(fields[4], parameters) ?? "proceed"}");
        }
    }

    private void Write(string kind, string what, string parameters)
    {
        if (kind == "tx-begin" && !KeepsIds)
            _names.TryAdd(parameters[1..], $"M{_names.Count + 1}");
        foreach ((string id, string name) in _names)
            parameters = EnvelopeId(id).Replace(parameters, $"{name}-envelope").Replace(id, name, StringComparison.Ordinal);
        if (Ignored.Contains(kind))
            return;
        lock (_heard)
            _heard.Add(what + parameters);
        _written.Release();
    }

    private static Regex EnvelopeId(string message) => new($"{message}[0-9a-f]{{8}}");
}
