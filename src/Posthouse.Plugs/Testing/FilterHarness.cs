using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using System.Text;
using Posthouse.Plugs.Filters;

namespace Posthouse.Plugs.Testing;

/// <summary>
/// Plays the server for one filter, so that a test can open sessions, ask and look at the answers: a <see cref="Filter"/> in this process, or any command in any
/// language. It sends a filter only what that has registered, and takes everything else as proceeding, as a server does.
/// </summary>
public sealed class FilterHarness : IAsyncDisposable
{
    private readonly FilterHarnessOptions _options;
    private readonly Stream _toFilter, _fromFilter;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, Pending> _pending = new();
    private readonly ConcurrentQueue<string> _registrations = new(), _errors = new();
    private readonly Func<ValueTask> _end;
    private int _sessions, _tokens;
    private volatile bool _isEnded;

    private FilterHarness(FilterHarnessOptions options, Stream toFilter, Stream fromFilter, Task<int> exit, Func<ValueTask> end)
    {
        (_options, _toFilter, _fromFilter, Exit, _end) = (options, toFilter, fromFilter, exit, end);
        new Thread(Read) { IsBackground = true, Name = "filter harness" }.Start();
    }

    /// <summary>The filter's <c>register</c> lines, without that word.</summary>
    public IReadOnlyCollection<string> Registrations => _registrations;

    /// <summary>Lines that a command wrote to standard error; of a filter in this process, see <see cref="Filter{TState}.Log"/>.</summary>
    public IReadOnlyCollection<string> Errors => _errors;

    /// <summary>Answers that belong to no request.</summary>
    public ConcurrentQueue<string> Strays { get; } = new();

    /// <summary>Ends with the filter's exit code.</summary>
    public Task<int> Exit { get; }

    internal FilterHarnessOptions Options => _options;

    internal bool HasBulk => _registrations.Contains("extension|bulk");

    internal bool ObservesBulk => _registrations.Contains("extension|bulk-observe");

    private bool IsOld => _options.Version is "0.1" or "0.2" or "0.3" or "0.4";

    /// <summary>Runs a filter in this process.</summary>
    /// <exception cref="TimeoutException">It did not become ready in time.</exception>
    public static Task<FilterHarness> StartAsync<TState>(Filter<TState> filter, FilterHarnessOptions? options = null) where TState : class, new()
    {
        AnonymousPipeServerStream to = new(PipeDirection.Out), from = new(PipeDirection.In);
        Task<int> exit = RunAsync();
        return StartAsync(new(options ?? new(), to, from, exit, async () =>
        {
            await to.DisposeAsync();
            await exit;
            await from.DisposeAsync();
        }));

        async Task<int> RunAsync()
        {
            try
            {
                return await filter.RunAsync(to.ClientSafePipeHandle, from.ClientSafePipeHandle);
            }
            finally
            {
                // The reader gets its end of file.
                to.DisposeLocalCopyOfClientHandle();
                from.DisposeLocalCopyOfClientHandle();
            }
        }
    }

    /// <summary>Runs a filter as a process.</summary>
    /// <exception cref="TimeoutException">It did not become ready in time.</exception>
    /// <exception cref="IOException">It ended before.</exception>
    public static Task<FilterHarness> StartAsync(string command, IEnumerable<string> arguments, FilterHarnessOptions? options = null)
    {
        Process process = Process.Start(new ProcessStartInfo(command, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        }) ?? throw new IOException($"{command} did not start");
        ConcurrentQueue<string> errors = new();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) errors.Enqueue(line.Data);
        };
        process.BeginErrorReadLine();
        Task<int> exit = ExitAsync();
        FilterHarness harness = new(options ?? new(), process.StandardInput.BaseStream, process.StandardOutput.BaseStream, exit, async () =>
        {
            await process.StandardInput.BaseStream.DisposeAsync();
            if (await Task.WhenAny(exit, Task.Delay(TimeSpan.FromSeconds(10))) != exit) process.Kill(entireProcessTree: true);
            await exit;
            process.Dispose();
        }, errors);
        return StartAsync(harness);

        async Task<int> ExitAsync()
        {
            await process.WaitForExitAsync();
            return process.ExitCode;
        }
    }

    private FilterHarness(FilterHarnessOptions options, Stream toFilter, Stream fromFilter, Task<int> exit, Func<ValueTask> end, ConcurrentQueue<string> errors)
        : this(options, toFilter, fromFilter, exit, end) => _errors = errors;

    /// <summary>A session of which the filter knows nothing yet.</summary>
    public FilterHarnessSession NewSession() => new(this, (0x5e55_0000_0000_0000 + (ulong)Interlocked.Increment(ref _sessions)).ToString("x16", CultureInfo.InvariantCulture));

    /// <summary>A session that has connected and said EHLO; every verdict so far must be to proceed.</summary>
    /// <exception cref="InvalidOperationException">The filter refused.</exception>
    public async Task<FilterHarnessSession> ConnectAsync(string? reverseName = "client.example.org", string address = "192.0.2.1")
    {
        FilterHarnessSession session = NewSession();
        Verdict verdict = await session.ConnectAsync(reverseName, address);
        if (verdict.IsProceed) verdict = await session.HeloAsync("client.example.org");
        return verdict.IsProceed ? session : throw new InvalidOperationException($"the filter answered {verdict}");
    }

    /// <summary>Sends one line as it stands, without its end; for what a test must say itself.</summary>
    public Task WriteLineAsync(string line) => WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));

    /// <summary>Closes the filter's input and waits until it has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end();
        _writing.Dispose();
    }

    internal bool Wants(string registration) => _registrations.Contains(registration);

    internal string NewToken() => (0xf11e_0000_0000_0000 + (ulong)Interlocked.Increment(ref _tokens)).ToString("x16", CultureInfo.InvariantCulture);

    internal string Head(string kind)
    {
        TimeSpan time = (_options.Time ?? DateTimeOffset.UtcNow) - DateTimeOffset.UnixEpoch;
        return string.Create(CultureInfo.InvariantCulture, $"{kind}|{_options.Version}|{(long)time.TotalSeconds}.{(long)time.TotalMicroseconds % 1_000_000:d6}|smtp-in");
    }

    internal async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        using CancellationTokenSource deadline = new(_options.Timeout);
        await _writing.WaitAsync(deadline.Token);
        try
        {
            await _toFilter.WriteAsync(bytes, deadline.Token).AsTask().WaitAsync(_options.Timeout);
            await _toFilter.FlushAsync(deadline.Token);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Announces a request before it is written; the task ends with the result's text, or with the message's bytes.</summary>
    internal Task<byte[]> ExpectAsync(string session, string token)
    {
        Pending pending = new();
        _pending[$"{session}|{token}"] = pending;
        if (_isEnded) pending.Done.TrySetException(Ended());
        return pending.Done.Task.WaitAsync(_options.Timeout);
    }

    private static async Task<FilterHarness> StartAsync(FilterHarness harness)
    {
        string replay = harness._options.ReplayUntil is { } until
            ? string.Create(CultureInfo.InvariantCulture, $"config|replay-until|{until.ToUnixTimeMilliseconds() / 1000}.{until.ToUnixTimeMilliseconds() % 1000:d3}000\n") : "";
        try
        {
            await harness.WriteAsync(Encoding.ASCII.GetBytes(
                $"config|smtpd-version|7.8.0-harness\nconfig|protocol|{harness._options.Version}\nconfig|smtp-session-timeout|300\nconfig|subsystem|smtp-in\n" +
                $"config|admd|mail.example.org\n{(harness._options.OffersBulk ? "config|extension|bulk\n" : "")}{replay}config|ready\n"));
            await harness._ready.Task.WaitAsync(harness._options.Timeout);
            return harness;
        }
        catch (Exception e)
        {
            await harness.DisposeAsync();
            if (e is IOException) throw new IOException($"{e.Message}; it said: {string.Join('\n', harness.Errors)}", e);
            throw;
        }
    }

    private IOException Ended() => new("the filter has ended");

    private void Read()
    {
        try
        {
            BufferedStream stream = new(_fromFilter, 65536);
            List<byte> line = [];
            while (stream.ReadByte() is int next and >= 0)
            {
                if (next != '\n')
                {
                    line.Add((byte)next);
                    continue;
                }

                Take([.. line], stream);
                line.Clear();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The same as its end.
        }

        _isEnded = true;
        _ready.TrySetException(Ended());
        foreach (Pending pending in _pending.Values) pending.Done.TrySetException(Ended());
    }

    private void Take(byte[] line, Stream stream)
    {
        string text = Encoding.Latin1.GetString(line);
        if (text == "register|ready") _ready.TrySetResult();
        else if (text.StartsWith("register|", StringComparison.Ordinal)) _registrations.Enqueue(text[9..]);
        if (text.StartsWith("register|", StringComparison.Ordinal)) return;
        string[] fields = text.Split('|', 4);
        if (fields.Length < 4 || fields[0] is not ("filter-result" or "filter-dataline" or "filter-databulk"))
        {
            Strays.Enqueue(text);
            return;
        }

        byte[] payload = [];
        if (fields[0] == "filter-databulk" && int.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out int length))
        {
            payload = new byte[length];
            stream.ReadExactly(payload);
        }

        string key = IsOld ? $"{fields[2]}|{fields[1]}" : $"{fields[1]}|{fields[2]}";
        if (!_pending.TryGetValue(key, out Pending? pending))
        {
            Strays.Enqueue(text);
            return;
        }

        switch (fields[0])
        {
            case "filter-result":
                _pending.TryRemove(key, out _);
                pending.Done.TrySetResult(Encoding.Latin1.GetBytes(fields[3]));
                break;
            case "filter-dataline" when fields[3] != ".":
                pending.Content.Write(Encoding.Latin1.GetBytes((fields[3].StartsWith('.') ? fields[3][1..] : fields[3]) + "\r\n"));
                break;
            case "filter-databulk" when payload.Length > 0:
                pending.Content.Write(payload);
                break;
            default:
                _pending.TryRemove(key, out _);
                pending.Done.TrySetResult(pending.Content.ToArray());
                break;
        }
    }

    private sealed class Pending
    {
        public TaskCompletionSource<byte[]> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public MemoryStream Content { get; } = new();
    }
}
