using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Dovecot behind the server: by LMTP, and as the reader of the maildirs that the server writes.</summary>
public class DovecotTests
{
    private const string Configuration = """
        listen on 127.0.0.1 port {port}
        table people { joe = "{uid}:{gid}:{home}", ann = "{uid}:{gid}:{home}", stranger = "{uid}:{gid}:{home}" }
        table everybody { "@" = "{user}" }
        action "socket" lmtp "{dir}/dovecot/run/lmtp" userbase <people>
        action "port" lmtp "127.0.0.1:{port2}" rcpt-to userbase <people>
        action "box" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for domain "socket.example" action "socket"
        match from any for domain "port.example" action "port"
        match from any for any action "box"
        """;

    [Fact]
    public async Task Lmtp_by_socket_and_port()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        string folder = server.Folder + "/dovecot";
        await using DovecotServer dovecot = await DovecotServer.StartAsync(folder, server.Account, server.SecondPort, "joe", "ann");

        await server.AcceptAsync("joe@socket.example", "Subject: by socket\n\n.\nbody\n..");
        string mail = await ReadAsync(server, dovecot, "joe");
        Assert.Contains("\nSubject: by socket\n", mail.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nbody\n..\n", mail.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.StartsWith("Return-Path: <me@example.org>\n", mail.ReplaceLineEndings("\n"), StringComparison.Ordinal);

        await server.AcceptAsync("ann@port.example", "Subject: by port\n\nbody");
        mail = await ReadAsync(server, dovecot, "ann");
        Assert.Contains("Delivered-To: ann@port.example", mail, StringComparison.Ordinal);

        // One whom Dovecot does not know: a permanent failure, in Dovecot's words.
        await server.AcceptAsync("stranger@socket.example");
        Assert.Contains("550 5.1.1", await server.WaitForLogAsync("result=PermFail"), StringComparison.Ordinal);
        Assert.Contains("550 5.1.1", await server.ReadMailAsync("me"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_waits_until_dovecot_is_there()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await server.AcceptAsync("joe@socket.example");
        await server.AcceptAsync("joe@port.example");
        await server.WaitForAsync(() => server.Lines.Count(line => line.Contains("result=TempFail", StringComparison.Ordinal)) >= 2 ? "" : null, () => "not both were deferred");
        await using DovecotServer dovecot = await DovecotServer.StartAsync(server.Folder + "/dovecot", server.Account, server.SecondPort, "joe");
        await server.WaitForMailAsync(server.Folder + "/dovecot/box/joe", 2, 120);
    }

    [Fact]
    public async Task Dovecot_reads_what_the_server_puts_into_maildirs()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await using DovecotServer dovecot = await DovecotServer.StartAsync(server.Folder + "/dovecot", server.Account, server.SecondPort, "joe");
        string[] subjects = [.. Enumerable.Range(0, 10).Select(i => $"number {i}")];
        foreach (string subject in subjects) await server.AcceptAsync("you@example.org", $"Subject: {subject}\n\nbody of {subject}");
        await server.WaitForMailAsync("you", 10);
        Tool fetched = await dovecot.FetchAsync(server.Mail + "/you", "hdr.subject text", "all");
        Assert.True(fetched.ExitCode == 0, fetched + dovecot.Log);
        foreach (string subject in subjects)
        {
            Assert.Contains($"hdr.subject: {subject}\n", fetched.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
            Assert.Contains($"\nbody of {subject}\n", fetched.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        }
    }

    private static async Task<string> ReadAsync(RunningServer server, DovecotServer dovecot, string user)
    {
        try
        {
            return await server.ReadMailAsync($"{dovecot.Folder}/box/{user}");
        }
        catch (TimeoutException error)
        {
            throw new TimeoutException($"{error.Message}\n{dovecot.Log}");
        }
    }
}
