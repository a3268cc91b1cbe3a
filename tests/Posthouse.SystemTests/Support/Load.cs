using System.Collections.Concurrent;
using System.Net.Sockets;

namespace Posthouse.SystemTests.Support;

/// <summary>Clients that send mail to <c>you@example.org</c> until told to stop, whatever happens to the server, and remember what it acknowledged.</summary>
public sealed class Load : IAsyncDisposable
{
    private readonly RunningServer _server;
    private readonly int _mailsPerSession;
    private readonly string _body;
    private readonly ConcurrentBag<string> _acknowledged = [];
    private readonly ConcurrentBag<string> _refused = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _clients;
    private int _broken;

    public Load(RunningServer server, int clients, int mailsPerSession = 50, string? body = null)
    {
        _server = server;
        _mailsPerSession = mailsPerSession;
        _body = body ?? new string('x', 2000);
        _clients = [.. Enumerable.Range(0, clients).Select(client => Task.Run(() => SendAsync(client)))];
    }

    /// <summary>The ids of all messages that the server said 250 to.</summary>
    public IReadOnlyCollection<string> Acknowledged => _acknowledged;

    /// <summary>Replies that were not what a client hopes for.</summary>
    public IReadOnlyCollection<string> Refused => _refused;

    /// <summary>Sessions that ended without a word.</summary>
    public int Broken => _broken;

    /// <summary>Waits until so many messages more have been acknowledged.</summary>
    public Task MoreAsync(int count)
    {
        int wanted = _acknowledged.Count + count;
        return _server.WaitForAsync(() => _acknowledged.Count >= wanted ? "" : null, () => $"{_acknowledged.Count} of {wanted} acknowledged");
    }

    /// <summary>Lets the clients finish what they are at.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_clients);
    }

    /// <summary>Waits until all that was acknowledged stands in the maildir of <c>you</c>.</summary>
    public Task AllArrivedAsync(int seconds = 120) => _server.WaitForAsync(
        () => _acknowledged.Except(Arrived()).Any() ? null : "",
        () => $"missing: {string.Join(' ', _acknowledged.Except(Arrived()))}", seconds);

    /// <summary>The texts of all messages in that maildir; fails when one of them stands there twice.</summary>
    public async Task<IReadOnlyCollection<string>> OnceAsync()
    {
        string folder = Path.Combine(_server.Mail, "you", "new");
        string[] texts = await Task.WhenAll(Directory.EnumerateFiles(folder).Select(static file => File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)));
        string[] twice = [.. texts.GroupBy(IdOf).Where(static copies => copies.Count() > 1).Select(static copies => copies.Key)];
        Assert.True(twice.Length == 0, $"delivered more than once: {string.Join(' ', twice)}");
        return texts;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private HashSet<string> Arrived()
    {
        HashSet<string> arrived = [];
        string folder = Path.Combine(_server.Mail, "you", "new");
        if (!Directory.Exists(folder)) return arrived;
        foreach (string file in Directory.EnumerateFiles(folder))
        {
            arrived.Add(IdOf(File.ReadAllText(file)));
        }

        return arrived;
    }

    private static string IdOf(string text)
    {
        int at = text.IndexOf("Message-Id: <", StringComparison.Ordinal) + 13;
        return text[at..text.IndexOf('>', at)];
    }

    private async Task SendAsync(int client)
    {
        for (int session = 0; !_stop.IsCancellationRequested; session++)
        {
            try
            {
                if (await SendSessionAsync($"{client}.{session}")) continue;
                Interlocked.Increment(ref _broken);
            }
            catch (Exception error) when (error is SocketException or IOException)
            {
                // The server is not there now: that is what the test is about.
                Interlocked.Increment(ref _broken);
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }

    private async Task<bool> SendSessionAsync(string name)
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(_server.Port, greet: false);
        if (!await HearAsync(client, "220")) return false;
        await client.WriteAsync("EHLO client.example.org\r\n");
        if (!await HearAsync(client, "250")) return false;
        for (int i = 0; i < _mailsPerSession && !_stop.IsCancellationRequested; i++)
        {
            string id = $"{name}.{i}@client.example.org";
            await client.WriteAsync("MAIL FROM:<me@example.org>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n");
            if (!await HearAsync(client, "250") || !await HearAsync(client, "250") || !await HearAsync(client, "354")) return false;
            await client.WriteAsync($"From: <me@example.org>\r\nMessage-Id: <{id}>\r\n\r\n{_body.ReplaceLineEndings("\r\n")}\r\n.\r\n");
            if (!await HearAsync(client, "250")) return false;
            _acknowledged.Add(id);
        }

        await client.WriteAsync("QUIT\r\n");
        return await HearAsync(client, "221");
    }

    private async Task<bool> HearAsync(SmtpClient client, string code)
    {
        string reply = await client.ReadReplyAsync();
        if (reply.StartsWith(code, StringComparison.Ordinal)) return true;
        if (reply.Length > 0) _refused.Add(reply);
        return false;
    }
}
