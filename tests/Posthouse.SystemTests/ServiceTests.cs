using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The server under a supervisor, and as process 1.</summary>
public class ServiceTests
{
    [Fact]
    public async Task A_supervisor_hears_how_the_server_is_and_nobody_else_can_speak_for_it()
    {
        string folder = Directory.CreateTempSubdirectory("posthouse-notify-").FullName;
        using Socket supervisor = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        supervisor.Bind(new UnixDomainSocketEndPoint(folder + "/notify"));
        try
        {
            await using RunningServer server = await RunningServer.StartAsync(prepare: prepared =>
                prepared.Launcher = ["env", $"NOTIFY_SOCKET={folder}/notify", "WATCHDOG_USEC=3000000"]);
            await HearAsync(supervisor, static said => said.StartsWith("READY=1\n", StringComparison.Ordinal));
            await HearAsync(supervisor, static said => said == "WATCHDOG=1");
            await HearAsync(supervisor, static said => said == "WATCHDOG=1");
            foreach (int process in Processes(server.ProcessId))
                Assert.DoesNotContain("NOTIFY_SOCKET", ReadOwn($"/proc/{process}/environ"), StringComparison.Ordinal);

            await Tool.RunAsync("kill", "-HUP", server.ProcessId.ToString(CultureInfo.InvariantCulture));
            string reloading = await HearAsync(supervisor, static said => said.StartsWith("RELOADING=1\n", StringComparison.Ordinal));
            Assert.Matches(new Regex(@"^RELOADING=1\nMONOTONIC_USEC=\d+$"), reloading);
            await HearAsync(supervisor, static said => said.StartsWith("READY=1\n", StringComparison.Ordinal));
            Assert.Equal(0, await server.StopAsync());
            await HearAsync(supervisor, static said => said.StartsWith("STOPPING=1\n", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // systemd's own tool binds the port, waits for the first connection, and becomes the server.
    [Fact]
    public async Task Sockets_of_systemd_are_served()
    {
        Task<TcpClient>? first = null;
        await using RunningServer server = await RunningServer.StartAsync(prepare: prepared =>
        {
            prepared.Launcher = ["systemd-socket-activate", "--listen", $"127.0.0.1:{prepared.Port}", "--listen", $"127.0.0.1:{prepared.SecondPort}", .. Passed()];
            first = ConnectAsync(prepared.Port);
        });
        using (TcpClient client = await first!)
        {
            byte[] greeting = new byte[4];
            await client.GetStream().ReadExactlyAsync(greeting, TestContext.Current.CancellationToken);
            Assert.Equal("220 ", Encoding.ASCII.GetString(greeting));
        }

        await server.AcceptAsync("you@example.org");
        await server.ReadMailAsync("you");
        // The other one is not the configuration's.
        Assert.Contains(server.Lines, line => line.Contains($"127.0.0.1:{server.SecondPort}", StringComparison.Ordinal) && line.Contains("warn:", StringComparison.Ordinal));
        using TcpClient refused = new();
        await Assert.ThrowsAsync<SocketException>(() => refused.ConnectAsync(IPAddress.Loopback, server.SecondPort));
    }

    [Fact]
    public async Task As_process_1_it_waits_for_orphans_and_ends_in_order()
    {
        if (!SystemAccounts.IsRoot) return;
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "x" mda "cat >/dev/null; setsid sh -c 'sleep 2; exit 3' >/dev/null 2>&1 </dev/null &" user "{user}" virtual <everybody>
            match from any for any action "x"
            """, prepare: static prepared => prepared.Launcher = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        int first = Assert.Single(Children(server.ProcessId));
        Assert.Matches(new Regex(@"\nNSpid:\t\d+\t1\n"), File.ReadAllText($"/proc/{first}/status"));
        await server.AcceptAsync("you@example.org");
        await server.WaitForLogAsync("result=Ok");
        string orphan = await server.WaitForAsync(() => Children(first).Select(Name).FirstOrDefault(static name => name is "sh" or "sleep"), () => "nothing was orphaned");
        Assert.NotNull(orphan);
        await server.WaitForAsync(() => Children(first).Any(static child => Name(child) is "sh" or "sleep") ? null : "", () => "the orphan is not waited for");
        await Tool.RunAsync("kill", "-TERM", first.ToString(CultureInfo.InvariantCulture));
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains(server.Lines, static line => line.Contains("Exiting", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_sendmail_kept_while_the_server_was_down_arrives_when_it_is_up()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on socket tag LOCAL
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "box" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
            match tag LOCAL from socket for any action "box"
            """);
        await server.StopAsync();
        string[] command = [SourceTree.Executable, "sendmail", "--state", server.State, "-f", "me@example.org", "you@example.org"];
        if (SystemAccounts.IsRoot) command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", .. command];
        Tool sent = await Tool.RunAsync(command[0], command[1..], "Subject: later\n\nbody\n");
        Assert.True(sent.ExitCode == 0, sent.ToString());
        Assert.Single(Directory.GetFiles(Path.Combine(server.State, "offline")));
        await server.StartAgainAsync();
        Assert.Contains("\nSubject: later\n", await server.ReadMailAsync("you"), StringComparison.Ordinal);
        await server.WaitForAsync(() => Directory.GetFiles(Path.Combine(server.State, "offline")).Length == 0 ? "" : null, () => "the file is still there");
    }

    private static IEnumerable<string> Passed() => new[] { "DOTNET_ROOT", "HOME", "PATH" }.Where(static name => Environment.GetEnvironmentVariable(name) is not null).SelectMany(static name => (string[])["-E", name]);

    private static async Task<TcpClient> ConnectAsync(int port)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(1));
        while (true)
        {
            TcpClient client = new();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port, deadline.Token);
                return client;
            }
            catch (SocketException)
            {
                client.Dispose();
                await Task.Delay(20, deadline.Token);
            }
        }
    }

    private static async Task<string> HearAsync(Socket socket, Predicate<string> wanted)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromMinutes(1));
        byte[] buffer = new byte[4096];
        while (true)
        {
            string said = Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, deadline.Token));
            if (wanted(said)) return said;
        }
    }

    private static IEnumerable<int> Processes(int first) => Children(first).SelectMany(static child => Processes(child).Append(child));

    private static int[] Children(int process) => [.. Directory.EnumerateDirectories($"/proc/{process}/task")
        .SelectMany(static task => ReadOwn(task + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(static text => int.Parse(text, CultureInfo.InvariantCulture))];

    private static string Name(int process) => ReadOwn($"/proc/{process}/comm").Trim();

    private static string ReadOwn(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It has ended, or hides what it is from us: that is an answer too.
            return "";
        }
    }
}
