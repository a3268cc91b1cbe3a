using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Posthouse.SystemTests.Support;

/// <summary>
/// The real executable, serving a configuration in a directory and on a port of its own. In the configuration
/// <c>{port}</c>, <c>{dir}</c>, <c>{mail}</c> and <c>{user}</c> stand for those of this server, and names are asked of
/// no one but loopback.
/// </summary>
public sealed class RunningServer : IAsyncDisposable
{
    private readonly List<string> _lines = [];
    private readonly List<(Predicate<string> Wanted, TaskCompletionSource<string> Found)> _waiting = [];
    private readonly Lock _lock = new();
    private readonly string _configuration;
    private readonly string[] _arguments;
    private Process? _process;

    private RunningServer(string configuration, string[] arguments)
    {
        Folder = Directory.CreateTempSubdirectory("posthouse-test-").FullName;
        // Everybody must be able to get through to the mail, whoever it is delivered as.
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        Mail = Directory.CreateDirectory(Path.Combine(Folder, "mail")).FullName;
        State = Path.Combine(Folder, "state");
        Port = FreePort();
        User = Environment.IsPrivilegedProcess ? "nobody" : Environment.UserName;
        if (Environment.IsPrivilegedProcess) File.SetUnixFileMode(Mail, (UnixFileMode)0b111_111_111);
        _configuration = Fill(configuration);
        _arguments = arguments;
        File.WriteAllText(ConfigurationFile, _configuration);
    }

    public string Folder { get; }

    public string Mail { get; }

    public string State { get; }

    public int Port { get; }

    public string User { get; }

    public string ConfigurationFile => Path.Combine(Folder, "smtpd.conf");

    public int ProcessId => _process?.Id ?? throw new InvalidOperationException("not running");

    /// <summary>What the server has logged so far.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock) return [.. _lines];
        }
    }

    /// <summary>A configuration that takes mail for anybody into a maildir named after the recipient.</summary>
    public const string Simple = """
        listen on 127.0.0.1 port {port}
        table everybody { "@" = "{user}" }
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for any action "mailbox"
        """;

    public static async Task<RunningServer> StartAsync(string configuration = Simple, string[]? arguments = null, Action<RunningServer>? prepare = null)
    {
        RunningServer server = new(configuration, arguments ?? []);
        prepare?.Invoke(server);
        await server.StartAgainAsync();
        return server;
    }

    public static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public string Fill(string text) => text
        .Replace("{port}", Port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{dir}", Folder, StringComparison.Ordinal)
        .Replace("{mail}", Mail, StringComparison.Ordinal)
        .Replace("{user}", User, StringComparison.Ordinal);

    /// <summary>Starts, or starts again after <see cref="KillAsync"/> or <see cref="StopAsync"/>, and waits until it is ready.</summary>
    public async Task StartAgainAsync()
    {
        ProcessStartInfo start = new(SourceTree.Executable, ["serve", "-f", ConfigurationFile, "--state", State, .. _arguments])
        {
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = Folder,
        };
        if (Environment.IsPrivilegedProcess)
        {
            start.ArgumentList.Add("--users");
            start.ArgumentList.Add("nobody,nobody,nobody,nobody");
        }

        int before = Lines.Count;
        _process = new Process { StartInfo = start };
        _process.ErrorDataReceived += (_, line) => Add(line.Data);
        _process.Start();
        _process.BeginErrorReadLine();
        await WaitForLogAsync(line => line.Contains("info: ready", StringComparison.Ordinal), before);
    }

    /// <summary>Waits for a line of the log, from line <paramref name="from"/> on.</summary>
    public async Task<string> WaitForLogAsync(Predicate<string> wanted, int from = 0, int seconds = 30)
    {
        TaskCompletionSource<string> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            for (int i = from; i < _lines.Count; i++)
            {
                if (wanted(_lines[i])) return _lines[i];
            }

            _waiting.Add((wanted, found));
        }

        try
        {
            return await found.Task.WaitAsync(TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"the server did not log what was waited for; its log:\n{string.Join('\n', Lines)}");
        }
    }

    public Task<string> WaitForLogAsync(string text, int from = 0, int seconds = 30) =>
        WaitForLogAsync(line => line.Contains(text, StringComparison.Ordinal), from, seconds);

    /// <summary>Waits until <paramref name="count"/> messages stand in the maildir of <paramref name="box"/>, and answers their files.</summary>
    public async Task<string[]> WaitForMailAsync(string box, int count = 1, int seconds = 30)
    {
        string folder = Path.Combine(Mail, box, "new");
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(seconds));
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            string[] files = Directory.Exists(folder) ? Directory.GetFiles(folder) : [];
            if (files.Length >= count) return files;
            try
            {
                await poll.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException($"{files.Length} of {count} messages in {box} after {seconds} s; the server's log:\n{string.Join('\n', Lines)}");
            }
        }
    }

    /// <summary>Runs <c>posthouse ctl</c> against this server.</summary>
    public Task<Tool> ControlAsync(params string[] words) => Tool.RunAsync(SourceTree.Executable, ["ctl", "--state", State, .. words]);

    /// <summary>SIGTERM; answers the exit code.</summary>
    public async Task<int> StopAsync()
    {
        if (_process is not { HasExited: false } process) return _process?.ExitCode ?? 0;
        using Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(45), TestContext.Current.CancellationToken);
        return process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (_process is not { HasExited: false } process) return;
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A delivery that the kill interrupted may still be writing; the system cleans its temporary directory.
        }
    }

    private void Add(string? line)
    {
        if (line is null) return;
        lock (_lock)
        {
            _lines.Add(line);
            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (!_waiting[i].Wanted(line)) continue;
                _waiting[i].Found.TrySetResult(line);
                _waiting.RemoveAt(i);
            }
        }
    }
}
