using System.Diagnostics;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>How a server ends, and what it finds when it starts again.</summary>
public class StopTests
{
    private static async Task TerminateAsync(RunningServer server)
    {
        using Process kill = Process.Start("kill", ["-TERM", $"{server.ProcessId}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await server.WaitForLogAsync("info: stopping");
    }

    [Fact]
    public async Task A_message_that_is_coming_in_is_let_in_and_idle_sessions_are_told()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using SmtpClient idle = await SmtpClient.ConnectAsync(server.Port);
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("MAIL FROM:<me@example.org>", "250");
        await client.SayAsync("RCPT TO:<you@example.org>", "250");
        await client.SayAsync("DATA", "354");
        await client.WriteAsync("Subject: late\r\n\r\nfirst half\r\n");
        await TerminateAsync(server);
        Assert.StartsWith("421 4.3.2 ", await idle.ReadReplyAsync(), StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<System.Net.Sockets.SocketException>(() => SmtpClient.ConnectAsync(server.Port));
        await client.WriteAsync("second half\r\n.\r\n");
        Assert.StartsWith("250 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await server.StopAsync());
        Assert.Equal("Exiting", server.Lines[^1]);
        Assert.DoesNotContain(server.Lines, line => line.Contains("Exception", StringComparison.Ordinal));

        await server.StartAgainAsync();
        Assert.Contains("first half\nsecond half\n", await server.ReadMailAsync("you"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    public async Task A_restart_finds_what_was_queued_and_says_how_much(string backend)
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter($"queue backend {backend}"), ["-P", "mda"]);
        for (int i = 0; i < 5; i++)
        {
            using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
            await client.SayAsync("EHLO client.example.org", "250");
            Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", [$"one{i}@example.org", $"two{i}@example.org"], $"Subject: {i}\n\nbody"), StringComparison.Ordinal);
        }

        Assert.Equal(0, await server.StopAsync());
        int before = server.Lines.Count;
        await server.StartAgainAsync();
        await server.WaitForLogAsync("queue: found 10 envelopes of 5 messages", before);
        await server.KillAsync();
        before = server.Lines.Count;
        await server.StartAgainAsync();
        await server.WaitForLogAsync("queue: found 10 envelopes of 5 messages", before);
        Assert.False(Directory.Exists(server.Mail + "/one0"));
    }

    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    public async Task A_queue_that_is_encrypted_and_compressed_tells_nothing_and_loses_nothing(string backend)
    {
        const string Key = "0123456789abcdefghijklmnopqrstuv";
        await using RunningServer server = await RunningServer.StartAsync(
            RunningServer.SimpleAfter($"queue backend {backend}\nqueue compression\nqueue encryption stdin"), ["-P", "mda"], server => server.Input = Key + "\n");
        await server.AcceptAsync("you@example.org", "Subject: PLAINLY\n\n" + string.Concat(Enumerable.Repeat("PLAINLY to be read\n", 400)));
        await server.KillAsync();
        foreach (string file in Directory.EnumerateFiles(server.State, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith(".sock", StringComparison.Ordinal)))
        {
            // Not by File, which would ask for a lock that a process just killed may still hold.
            Assert.Equal(0, FileDescriptor.Open(file, OpenFlags.ReadOnly, 0, out Microsoft.Win32.SafeHandles.SafeFileHandle? open));
            byte[] bytes = new byte[RandomAccess.GetLength(open!)];
            using (open) RandomAccess.Read(open!, bytes, 0);
            string content = System.Text.Encoding.Latin1.GetString(bytes);
            Assert.DoesNotContain("PLAINLY", content, StringComparison.Ordinal);
            Assert.DoesNotContain("you@example.org", content, StringComparison.Ordinal);
        }

        // Another key opens nothing, and breaks nothing.
        server.Input = new string('x', 32) + "\n";
        int before = server.Lines.Count;
        await server.StartAgainAsync();
        await server.WaitForLogAsync("cannot be opened", before);
        await server.KillAsync();

        // Delivered now: -P only held the first start.
        server.Input = Key + "\n";
        server.ForgetArguments();
        await server.StartAgainAsync();
        Assert.Contains("PLAINLY to be read\nPLAINLY to be read\n", await server.ReadMailAsync("you"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_another_length_is_refused()
    {
        Tool refused = await RunningServer.RefusedAsync(RunningServer.SimpleAfter("queue encryption stdin"));
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("32 bytes", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sockets_and_locks_left_by_a_kill_do_not_keep_the_next_start()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        for (int round = 0; round < 3; round++)
        {
            await server.KillAsync();
            await server.StartAgainAsync();
        }

        await server.AcceptAsync("you@example.org");
        await server.ReadMailAsync("you");
    }
}
