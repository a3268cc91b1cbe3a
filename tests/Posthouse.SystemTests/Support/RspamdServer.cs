using System.Diagnostics;
using System.Globalization;
using System.Net;
using Posthouse.Server.Native;

namespace Posthouse.SystemTests.Support;

/// <summary>
/// A Rspamd with a configuration of its own, and the Redis that it keeps its greylist in. It asks nobody on the network. A message's
/// <c>X-Test-Score</c> is its score: 4 is greylisted (for a second, and not for clients of loopback), 6 is marked as spam, 15 is refused; and it knows GTUBE by itself.
/// </summary>
internal sealed class RspamdServer : IAsyncDisposable
{
    private readonly string _folder;
    private readonly Process _redis;
    private Process? _rspamd;

    private RspamdServer(string folder, int port)
    {
        _folder = folder;
        Port = port;
        _redis = Start("redis-server", "--port", "0", "--unixsocket", $"{folder}/redis", "--unixsocketperm", "777", "--save", "", "--appendonly", "no", "--dir", folder);
    }

    /// <summary>The port of loopback at which it checks mail.</summary>
    public int Port { get; }

    /// <summary>The command of the filter that asks it.</summary>
    public string FilterCommand => FilterCommandFor(Port);

    /// <summary>The pattern by which Rspamd, and every other, can be tried; some text has to follow it.</summary>
    public const string Gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

    /// <summary>The command of the filter that asks one at a port, whether it is there yet or not.</summary>
    public static string FilterCommandFor(int port) => string.Create(CultureInfo.InvariantCulture, $"filter-rspamd -url http://127.0.0.1:{port}");

    public static async Task<RspamdServer> StartAsync(int port)
    {
        string folder = Directory.CreateTempSubdirectory("posthouse-rspamd-").FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111);
        await WriteConfigurationAsync(folder, port);
        RspamdServer server = new(folder, port);
        await server.WaitForAsync(() => Task.FromResult(File.Exists($"{folder}/redis")));
        await server.StartAgainAsync();
        return server;
    }

    /// <summary>Starts it, or starts it again.</summary>
    public async Task StartAgainAsync()
    {
        string[] identity = SystemAccounts.IsRoot ? ["-u", "nobody", "-g", LocalSite.Run("id", "-gn", "nobody").Trim()] : [];
        _rspamd = Start("rspamd", ["--no-fork", "-c", $"{_folder}/rspamd.conf", .. identity]);
        await WaitForAsync(async () => await CheckAsync("Subject: x\n\nham\n") is { } verdict && verdict.Contains("\"no action\"", StringComparison.Ordinal));
    }

    /// <summary>Ends it; Redis stays.</summary>
    public async Task StopAsync()
    {
        if (_rspamd is not { } process) return;
        _rspamd = null;
        await EndAsync(process);
    }

    /// <summary>What it says of a message, in JSON; null: it is not there.</summary>
    public async Task<string?> CheckAsync(string message)
    {
        using HttpClient client = new(new SocketsHttpHandler { UseProxy = false });
        try
        {
            using StringContent content = new(message);
            content.Headers.Add("Ip", "127.0.0.1");
            HttpResponseMessage response = await client.PostAsync(new Uri($"http://127.0.0.1:{Port}/checkv2"), content, TestContext.Current.CancellationToken);
            return response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken) : null;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await EndAsync(_redis);
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task WriteConfigurationAsync(string folder, int port)
    {
        // Only the plugins that are wanted: the others would ask the network, and take long to start.
        Directory.CreateDirectory($"{folder}/plugins");
        foreach (string plugin in (string[])["greylist", "milter_headers"]) File.CreateSymbolicLink($"{folder}/plugins/{plugin}.lua", $"/usr/share/rspamd/plugins/{plugin}.lua");
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await File.WriteAllTextAsync($"{folder}/suffixes", "com\norg\n", cancellation);
        await File.WriteAllTextAsync($"{folder}/rules.lua", """
            rspamd_config:register_symbol{
              name = 'TEST_SCORE', type = 'normal', score = 1.0,
              callback = function(task)
                local score = task:get_header('X-Test-Score')
                if score then return true, tonumber(score) end
              end }

            """, cancellation);
        await File.WriteAllTextAsync($"{folder}/rspamd.conf", $$"""
            lua = "{{folder}}/rules.lua"
            modules { path = "{{folder}}/plugins" }
            options {
              pidfile = "{{folder}}/rspamd.pid"
              filters = "regexp"
              dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1 }
              tempdir = "{{folder}}"
              url_tld = "{{folder}}/suffixes"
              control_socket = "{{folder}}/control mode=0600"
              hs_cache_dir = "{{folder}}"
              cache_file = "{{folder}}/symbols"
              history_rows = 10
              disable_hyperscan = true
            }
            logging { type = "file"; filename = "{{folder}}/log"; level = "warning" }
            worker "normal" { bind_socket = "127.0.0.1:{{port}}"; count = 1 }
            actions { reject = 15; add_header = 6; greylist = 4 }
            redis { servers = "{{folder}}/redis" }
            greylist { timeout = 1s; }
            milter_headers { use = ["authentication-results"]; skip_local = false; remove_upstream_spam_flag = false }

            """, cancellation);
    }

    private static Process Start(string program, params string[] arguments)
    {
        Process process = new() { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        process.Start();
        // What they say goes to their logs; nobody must wait for these to be read.
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static async Task EndAsync(Process process)
    {
        if (!process.HasExited)
        {
            using Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
            await kill.WaitForExitAsync(CancellationToken.None);
            try
            {
                await process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10));
            }
            catch (TimeoutException)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }

        process.Dispose();
    }

    private async Task WaitForAsync(Func<Task<bool>> condition)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(60);
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            string log = $"{_folder}/log";
            Assert.False(_redis.HasExited || _rspamd?.HasExited == true || DateTime.UtcNow > deadline, $"rspamd does not serve: {(File.Exists(log) ? await File.ReadAllTextAsync(log) : "")}");
            await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }
}
