using System.Net.Sockets;
using System.Text;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The holes that mail servers have had, tried on the executable; each test is named after its report.</summary>
public class SecurityHistoryTests
{
    // An empty domain let any local part through, and a shell read it.
    [Fact]
    public async Task CVE_2020_7247_shell_in_the_sender()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "x" mda "cat > {home}/mail" user "{user}" virtual <everybody>
            match from any for any action "x"
            """);
        string pwned = server.Home + "/pwned";
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            await client.SayAsync("EHLO client.example.org", "250");
            foreach (string sender in (string[])[$";touch {pwned};", $"$(touch {pwned})", $"`touch {pwned}`@", ";for i in 0 1 2 3 4 5 6 7 8 9 a b c d;do read r;done;sh;exit 0;"])
                Assert.StartsWith("5", await client.SayAsync($"MAIL FROM:<{sender}>"), StringComparison.Ordinal);
        }

        // What is an address may hold such signs, and they stay signs.
        await server.AcceptAsync("you@example.org", from: $"\"$(touch {pwned});`touch {pwned}`\"@example.org");
        await server.WaitForFileAsync(server.Home + "/mail", text => text.EndsWith("body\n", StringComparison.Ordinal));
        Assert.False(File.Exists(pwned));
    }

    // Queued text became lines of an envelope, and one of them a command. Here the text of an error is the one thing that comes from outside.
    [Fact]
    public async Task CVE_2020_8794_error_text_in_an_envelope()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            queue backend fs
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "x" mda "printf 'first\\nmda-exec: touch {home}/pwned\\n\",\"source\":\"alias:x:0\\n'; exit 75" user "{user}" virtual <everybody>
            match from any for any action "x"
            """);
        await server.AcceptAsync("you@example.org");
        await server.WaitForLogAsync("result=TempFail");
        await server.KillAsync();
        int before = server.Lines.Count;
        await server.StartAgainAsync();
        await server.WaitForLogAsync("queue: found 1 envelopes of 1 messages", before);
        await server.WaitForLogAsync("result=TempFail", before, seconds: 90);
        Assert.False(File.Exists(server.Home + "/pwned"));
    }

    // Files of users, opened by root: a link in the place of .forward, and a .forward that others may write.
    [Fact]
    public async Task CVE_2015_7687_links_in_the_place_of_forward_files()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table people { joe = "{uid}:{gid}:{home}" }
            action "x" maildir userbase <people>
            match from any for any action "x"
            """);
        server.WriteOwn(server.Folder + "/elsewhere", "\"|cat > pwned\"\n");
        File.CreateSymbolicLink(server.Home + "/.forward", server.Folder + "/elsewhere");
        string reply = await server.SendAsync("joe@example.com");
        Assert.True(reply[0] is '2' or '4', reply);
        await server.WaitForLogAsync(".forward of joe is not obeyed");
        File.Delete(server.Home + "/.forward");
        await server.AcceptAsync("joe@example.com", "Subject: last\n\nbody");
        await server.WaitForAsync(() => Directory.Exists(server.Home + "/Maildir/new") && Directory.GetFiles(server.Home + "/Maildir/new").Any(file => File.ReadAllText(file).Contains("Subject: last", StringComparison.Ordinal)) ? "" : null, () => "the last mail is not there");
        Assert.False(File.Exists(server.Home + "/pwned"));
    }

    // Overlong names in HELO (errata of 2019-08).
    [Fact]
    public async Task Errata_2019_08_long_names_in_helo()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO " + new string('a', 1500), "501 ");
        await client.SayAsync("EHLO " + string.Join('.', Enumerable.Repeat(new string('a', 63), 8)), "501 ");
        await client.SayAsync("HELO [IPv6:" + new string(':', 1000) + "]", "501 ");
        await client.SayAsync("EHLO client.example.org", "250");
    }

    // Malformed messages of any local user on the local socket killed the daemon.
    [Fact]
    public async Task CVE_2025_62875_garbage_on_the_sockets_of_the_machine()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        byte[] noise = new byte[64 * 1024];
        foreach (string path in Directory.GetFiles(server.State, "*.sock"))
        {
            for (int seed = 0; seed < 5; seed++)
            {
                new Random(seed).NextBytes(noise);
                using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), TestContext.Current.CancellationToken);
                try
                {
                    await socket.SendAsync(noise, TestContext.Current.CancellationToken);
                    await socket.SendAsync(Encoding.ASCII.GetBytes("{\"verb\":{\"verb\":[[[[[[\n\0\n\n"), TestContext.Current.CancellationToken);
                }
                catch (SocketException)
                {
                    // Closed on us: that is an answer.
                }
            }
        }

        await server.AcceptAsync("you@example.org");
        await server.ReadMailAsync("you");
        Tool sent = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", server.State, "-f", "me@example.org", "local@example.org"], "Subject: x\n\nbody\n");
        Assert.True(sent.ExitCode == 0, sent.ToString());
        await server.ReadMailAsync("local");
    }

    // A scoped IPv6 address in an envelope aborted the daemon; the same way in is a PROXY header.
    [Fact]
    public async Task CVE_2023_29323_strange_addresses_of_clients()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Simple.Replace("port {port}", "port {port} proxy-v2"));
        byte[] linkLocal = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        foreach (byte[] address in (byte[][])[linkLocal, new byte[16], [.. Enumerable.Repeat((byte)0xff, 16)]])
        {
            byte[] header = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x21, 0, 36, .. address, .. linkLocal, 0x30, 0x39, 0, 25];
            using SmtpClient client = await SmtpClient.ConnectAsync(server.Port, greet: false);
            await client.WriteAsync(Encoding.Latin1.GetString(header));
            Assert.StartsWith("220 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            await client.SayAsync("EHLO client.example.org", "250");
            Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        }

        await server.WaitForMailAsync("you", 3);
        using SmtpClient without = await SmtpClient.ConnectAsync(server.Port, greet: false);
        await without.WriteAsync("EHLO client.example.org\r\n");
        Assert.True(await without.IsClosedAsync());
    }

    // Log lines that a stranger writes (fail2ban and others read them).
    [Fact]
    public async Task Nobody_forges_a_line_of_the_log()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("FOO \u001b[31m\" result=\"ok\" \u0085 bar", "5");
        string line = await server.WaitForLogAsync("smtp failed-command command=\"FOO");
        Assert.DoesNotContain('\u001b', line);
        Assert.DoesNotContain("result=\"ok\"", line, StringComparison.Ordinal);
    }
}
