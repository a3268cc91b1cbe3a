using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.SystemTests.Support;

/// <summary>
/// The real executable, serving a configuration in a directory and on a port of its own. In the configuration
/// <c>{port}</c>, <c>{port2}</c>, <c>{dir}</c>, <c>{mail}</c>, <c>{user}</c>, <c>{uid}</c>, <c>{gid}</c> and <c>{home}</c> (a directory of that user's)
/// stand for those of this server, and names are asked of no one but loopback.
/// </summary>
public sealed class RunningServer : IAsyncDisposable
{
    private readonly List<string> _lines = [];
    private readonly List<(Predicate<string> Wanted, TaskCompletionSource<string> Found)> _waiting = [];
    private readonly Lock _lock = new();
    private string[] _arguments;
    private Process? _process;

    private IEnumerable<string> Arguments =>
        ["serve", "-f", ConfigurationFile, "--state", State, .. _arguments, .. SystemAccounts.IsRoot ? (string[])["--users", "nobody,nobody,nobody,nobody"] : []];

    private RunningServer(string configuration, string[] arguments)
    {
        Folder = Directory.CreateTempSubdirectory("posthouse-test-").FullName;
        // Everybody must be able to get through to the mail, whoever it is delivered as.
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        Mail = Directory.CreateDirectory(Path.Combine(Folder, "mail")).FullName;
        State = Path.Combine(Folder, "state");
        Port = FreePort();
        SecondPort = FreePort();
        Account = (SystemAccounts.IsRoot ? SystemAccounts.Find("nobody", out _) : SystemAccounts.Find(SystemAccounts.EffectiveUser, out _))!;
        Home = Directory.CreateDirectory(Path.Combine(Folder, "home")).FullName;
        if (SystemAccounts.IsRoot)
        {
            File.SetUnixFileMode(Mail, (UnixFileMode)0b111_111_111);
            Assert.Equal(0, FileDescriptor.ChangeOwner(Home, Account.Uid, Account.Gid));
        }

        _arguments = arguments;
        File.WriteAllText(ConfigurationFile, Fill(configuration));
    }

    public string Folder { get; }

    public string Mail { get; }

    public string State { get; }

    public int Port { get; }

    /// <summary>A second free port.</summary>
    public int SecondPort { get; }

    /// <summary>Who the mail is delivered as: somebody else when the test runs as root, ourselves otherwise.</summary>
    public UserAccount Account { get; }

    /// <summary>A directory that belongs to <see cref="Account"/>.</summary>
    public string Home { get; }

    /// <summary>What stands on the server's standard input at each start; null: nothing.</summary>
    public string? Input { get; set; }

    /// <summary>A program, with its arguments, that becomes the server at each start.</summary>
    public string[] Launcher { get; set; } = [];

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

    /// <summary>The configuration that <see cref="Simple"/> is, behind other lines.</summary>
    public static string SimpleAfter(string lines) => $"{lines}\n{Simple}";

    /// <summary>Runs <c>posthouse serve</c> where it must refuse to.</summary>
    public static async Task<Tool> RefusedAsync(string configuration, params string[] arguments)
    {
        await using RunningServer server = new(configuration, arguments);
        return await server.FailAsync();
    }

    /// <summary>A port outside the range from which the system takes those of outgoing connections, so that nobody gets it meanwhile.</summary>
    public static int FreePort()
    {
        while (true)
        {
            int port = Random.Shared.Next(12_000, 32_000);
            try
            {
                using TcpListener listener = new(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken; there are others.
            }
        }
    }

    public string Fill(string text) => text
        .Replace("{port}", Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{dir}", Folder, StringComparison.Ordinal)
        .Replace("{mail}", Mail, StringComparison.Ordinal)
        .Replace("{port2}", SecondPort.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{home}", Home, StringComparison.Ordinal)
        .Replace("{uid}", Account.Uid.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{gid}", Account.Gid.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{user}", Account.Name, StringComparison.Ordinal);

    /// <summary>Starts, or starts again after <see cref="KillAsync"/> or <see cref="StopAsync"/>, and waits until it is ready.</summary>
    public async Task StartAgainAsync()
    {
        string[] command = [.. Launcher, SourceTree.Executable, .. Arguments];
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = Folder,
        };
        int before = Lines.Count;
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.ErrorDataReceived += (_, line) => Add(line.Data);
        _process.Start();
        _process.BeginErrorReadLine();
        if (Input is { } input) await _process.StandardInput.WriteAsync(input);
        Task<string> ready = WaitForLogAsync(line => line.Contains("info: ready", StringComparison.Ordinal), before, seconds: 60);
        if (await Task.WhenAny(ready, _process.WaitForExitAsync(TestContext.Current.CancellationToken)) != ready)
            throw new InvalidOperationException($"the server ended at once, exit {_process.ExitCode}; its log:\n{string.Join('\n', Lines)}");
        await ready;
    }

    /// <summary>Drops the arguments of the first start from the next ones.</summary>
    public void ForgetArguments() => _arguments = [];

    /// <summary>Runs the server where it must refuse to serve.</summary>
    public Task<Tool> FailAsync() => Tool.RunAsync(SourceTree.Executable, Arguments);

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
    public Task<string[]> WaitForMailAsync(string box, int count = 1, int seconds = 60)
    {
        string folder = Path.Combine(Mail, box, "new");
        return WaitForAsync(() => Files(folder) is { } files && files.Length >= count ? files : null, () => $"{Files(folder).Length} of {count} messages in {box}", seconds);
    }

    /// <summary>Waits for the only message in the maildir of <paramref name="box"/> (below the mail directory, or an absolute path), and answers its text.</summary>
    public async Task<string> ReadMailAsync(string box) => await File.ReadAllTextAsync(Assert.Single(await WaitForMailAsync(box)), TestContext.Current.CancellationToken);

    /// <summary>Waits until a file's content is what is <paramref name="wanted"/>, by default anything, and answers it.</summary>
    public Task<string> WaitForFileAsync(string path, Predicate<string>? wanted = null, int seconds = 60) =>
        WaitForAsync(() => File.Exists(path) && File.ReadAllText(path) is { Length: > 0 } text && wanted?.Invoke(text) != false ? text : null,
            () => File.Exists(path) ? $"{path} holds\n{File.ReadAllText(path)}" : $"there is no {path}", seconds);

    /// <summary>Looks again and again until there is something; says what there was instead, with the server's log, when that takes too long.</summary>
    public async Task<T> WaitForAsync<T>(Func<T?> look, Func<string> instead, int seconds = 60)
        where T : class
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(seconds));
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            if (look() is { } found) return found;
            try
            {
                await poll.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException($"after {seconds} s {instead()}; the server's log:\n{string.Join('\n', Lines)}");
            }
        }
    }

    /// <summary>Sends one message in a session of its own; answers the reply to its end, or the first refusal.</summary>
    public async Task<string> SendAsync(string to, string content = "Subject: x\n\nbody", string from = "me@example.org", int? port = null)
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(port ?? Port);
        await client.SayAsync("EHLO client.example.org", "250");
        string reply = await client.SendMessageAsync(from, [to], content);
        await client.SayAsync("QUIT", "221");
        return reply;
    }

    /// <summary>Sends one message, which must be taken.</summary>
    public async Task AcceptAsync(string to, string content = "Subject: x\n\nbody", string from = "me@example.org", int? port = null) =>
        Assert.StartsWith("250 2.0.0 ", await SendAsync(to, content, from, port), StringComparison.Ordinal);

    /// <summary>Writes a file that belongs to <see cref="Account"/>.</summary>
    public void WriteOwn(string path, string content)
    {
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, (UnixFileMode)0b110_000_000);
        if (SystemAccounts.IsRoot) Assert.Equal(0, FileDescriptor.ChangeOwner(path, Account.Uid, Account.Gid));
    }

    /// <summary>Runs <c>posthouse ctl</c> against this server.</summary>
    public Task<Tool> ControlAsync(params string[] words) => Tool.RunAsync(SourceTree.Executable, ["ctl", "--state", State, .. words]);

    /// <summary>The process ids of the server's children in a role: <c>engine</c>, <c>keys</c>, <c>worker</c>, <c>program</c>.</summary>
    public int[] ProcessesOf(string role)
    {
        List<int> found = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int id)) continue;
            try
            {
                string status = File.ReadAllText($"{directory}/stat");
                string[] fields = status[(status.LastIndexOf(')') + 2)..].Split(' ');
                string[] words = File.ReadAllText($"{directory}/cmdline").Split('\0');
                if (fields[1] == ProcessId.ToString(CultureInfo.InvariantCulture) && fields[0] != "Z" && (words.Contains($"--role={role}") || (words.Contains("--role=child") && words.Contains(role))))
                    found.Add(id);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile.
            }
        }

        return [.. found];
    }

    /// <summary>SIGTERM; answers the exit code.</summary>
    public async Task<int> StopAsync()
    {
        if (_process is not { HasExited: false } process) return _process?.ExitCode ?? 0;
        using Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(45), TestContext.Current.CancellationToken);
        return process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (_process is not { HasExited: false } process) return;
        int[] children = [.. ProcessesOf("engine"), .. ProcessesOf("keys")];
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        await WaitForAsync(() => children.Any(static child => File.Exists($"/proc/{child}/fd/2")) ? null : "", static () => "a child lives");
    }

    /// <summary>Waits until it has ended by itself; answers the exit code.</summary>
    public async Task<int> WaitForExitAsync()
    {
        await _process!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        return _process.ExitCode;
    }

    /// <summary>SIGKILL to the process that was started, and to none of its children.</summary>
    public async Task KillParentAsync()
    {
        _process!.Kill(entireProcessTree: false);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
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

    private static string[] Files(string folder) => Directory.Exists(folder) ? Directory.GetFiles(folder) : [];

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
