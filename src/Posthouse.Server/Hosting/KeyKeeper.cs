using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The parent's view of the keys process, which is started when the configuration has the first certificate, and again
/// whenever it ends; and of the files of certificates and keys, which are read again when they are replaced.
/// </summary>
internal sealed class KeyKeeper : IKeyLoader, IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    // One for each thread that makes handshakes (see HandshakeThreads): a signature under way has a socket for itself.
    private static readonly int s_sockets = Math.Min(PacketSocket.MaxDescriptors, Environment.ProcessorCount * 2);

    private readonly ChildStarter _starter;
    private readonly string _root;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private CertificateFilesWatch? _watch;
    private RunningProcess? _process;
    private Channel? _channel;
    private TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Keeps nothing yet. <paramref name="root"/> is an empty directory.</summary>
    internal KeyKeeper(ChildStarter starter, string root, TimeProvider time, ILogger logger)
    {
        _starter = starter;
        _root = root;
        _time = time;
        _logger = logger;
    }

    /// <summary>Whom the process becomes; null for nobody else.</summary>
    internal UserAccount? User { get; set; }

    /// <summary>The certificates and authorities in force.</summary>
    internal CertificateTexts Current => _watch?.Current ?? new([], []);

    /// <summary>Reads what a configuration names and loads its keys; nothing of it is in force until <see cref="Use"/>. The fault says, with its place, what cannot be used.</summary>
    internal async Task<(CertificateFilesWatch? Watch, Fault? Fault)> PrepareAsync(ServerConfiguration configuration)
    {
        await _turn.WaitAsync();
        try
        {
            if (WatchedCertificates.AreIn(configuration) && _process is null && await StartAsync() is { } failure) return (null, Fault.Temporary("no keys process", $"cannot start the keys process: {failure}"));
            CertificateFilesWatch watch = WatchedCertificates.Of(configuration, this, _time, _logger);
            return await watch.OpenAsync() is { } fault ? (null, fault) : (watch, null);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>From now on these are in force.</summary>
    internal void Use(CertificateFilesWatch watch)
    {
        if (_watch is not null) watch.Succeed(_watch);
        _watch = watch;
    }

    /// <summary>Whether there is a process that no engine has been connected with.</summary>
    internal bool IsToBeConnected { get; private set; }

    /// <summary>Connects an engine with the keys process, if there is one.</summary>
    internal async Task ConnectAsync(Channel engine)
    {
        if (_channel is not { } keys) return;
        IsToBeConnected = false;
        List<SafeFileHandle> ours = [], theirs = [];
        try
        {
            for (int i = 0; i < s_sockets && PacketSocket.Pair(out int one, out int other) == 0; i++)
            {
                ours.Add(new(one, ownsHandle: true));
                theirs.Add(new(other, ownsHandle: true));
            }
            // If one of them is about to end, both get new ones.
            if (await new KeysClient(keys).GiveSocketsAsync(theirs) is not null) return;
            using ChannelAnswer? answer = await engine.AskAsync(
                MessageKind.SigningSockets, default, s_limit, CancellationToken.None, ours.ConvertAll(static file => (int)file.DangerousGetHandle()).ToArray());
        }
        finally
        {
            foreach (SafeFileHandle file in ours.Concat(theirs)) file.Dispose();
        }
    }

    /// <summary>
    /// Until <paramref name="stop"/>, starts the process again when it ends, and looks for replaced files. <paramref name="engine"/> is the conversation with the
    /// engine that there is now.
    /// </summary>
    internal Task RunAsync(Func<Channel?> engine, CancellationToken stop) => Task.WhenAll(KeepAsync(engine, stop), WatchAsync(engine, stop));

    /// <inheritdoc/>
    public Task<KeyLoad> LoadAsync(string certificates, SafeFileHandle keyFile, CancellationToken cancellation = default) =>
        _channel is { } channel
            ? new KeysClient(channel).LoadAsync(certificates, keyFile, cancellation)
            : Task.FromResult(new KeyLoad(null, Fault.Temporary("TLS not available", "there is no keys process", 7)));

    /// <inheritdoc/>
    public Task<Fault?> ForgetAsync(KeyId key, CancellationToken cancellation = default) =>
        _channel is { } channel ? new KeysClient(channel).ForgetAsync(key, cancellation) : Task.FromResult<Fault?>(null);

    /// <summary>Ends the process.</summary>
    public void Dispose()
    {
        _channel?.Dispose();
        _process?.Kill();
        _turn.Dispose();
    }

    private async Task<string?> StartAsync()
    {
        if (PacketSocket.Pair(out int ours, out int theirs) is not 0 and int error) return Errno.Text(error);
        ChildRequest request = new()
        {
            Words = [KeysProcess.Role],
            // Compiled just in time, its code would still have to be read from files.
            Root = User is not null && !RuntimeFeature.IsDynamicCodeSupported ? _root : "",
            ChangesIdentity = User is not null,
            Uid = User?.Uid ?? 0,
            Gid = User?.Gid ?? 0,
            IsServer = true,
        };
        (int? process, string? failure) = await Task.Factory.StartNew(() => Spawn(request, theirs), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (process is null)
        {
            Libc.close(ours);
            return failure;
        }
        _process = new(process.Value);
        _channel = new(ours, "keys", static (_, _) => new(ChannelAnswer.Empty), _logger);
        IsToBeConnected = true;
        _started.TrySetResult();
        return null;
    }

    private (int? Process, string? Failure) Spawn(ChildRequest request, int channel)
    {
        using SafeFileHandle nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        int empty = (int)nothing.DangerousGetHandle();
        int? process = _starter.Start(request, empty, empty, empty, out string? failure, [channel]);
        Libc.close(channel);
        return (process, failure);
    }

    private async Task KeepAsync(Func<Channel?> engine, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await _started.Task.WaitAsync(stop);
                RunningProcess process = _process!;
                long since = _time.GetTimestamp();
                await Task.WhenAny(process.Ended, _channel!.Ended).WaitAsync(stop);
                _channel.Dispose();
                process.Kill();
                ParentLog.ProcessEnded(_logger, KeysProcess.Role, (await process.Ended).ToString());
                RestartPause pause = RestartPause.After(_time.GetElapsedTime(since));
                while (!await TryRestartAsync(engine, pause.Length, stop)) pause = pause.AfterFailure();
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    private async Task<bool> TryRestartAsync(Func<Channel?> engine, TimeSpan pause, CancellationToken stop)
    {
        await Task.Delay(pause, _time, stop);
        await _turn.WaitAsync(stop);
        try
        {
            // A reload may have started one between two tries.
            if (_process is not { Ended.IsCompleted: false })
            {
                _process = null;
                _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
                if (await StartAsync() is { } failure)
                {
                    ParentLog.ProcessNotStarted(_logger, KeysProcess.Role, failure);
                    return false;
                }
            }
            CertificateTexts? changed = _watch is null ? null : await _watch.LoadAgainAsync(stop);
            if (engine() is { } channel)
            {
                await ConnectAsync(channel);
                if (changed is not null) await TellAsync(channel, changed);
            }
            ParentLog.ProcessStarted(_logger, KeysProcess.Role);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // As in Parent: whatever it is, it is tried again.
            ParentLog.ProcessNotStarted(_logger, KeysProcess.Role, error.Message);
            _channel?.Dispose();
            _process?.Kill();
            return false;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task WatchAsync(Func<Channel?> engine, CancellationToken stop)
    {
        using PeriodicTimer timer = new(CertificateFilesWatch.Interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                await _turn.WaitAsync(stop);
                try
                {
                    if (_watch is not null && await _watch.PollAsync(stop) is { } changed && engine() is { } channel) await TellAsync(channel, changed);
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException)
                {
                    HostingLog.CertificatesUnwatched(_logger, error);
                }
                finally
                {
                    _turn.Release();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    private static async Task TellAsync(Channel engine, CertificateTexts changed)
    {
        using SafeFileHandle file = MemoryFile.Create("certificates", CertificateMessage.ToBytes(changed).Span);
        using ChannelAnswer? answer = await engine.AskAsync(MessageKind.Certificates, default, s_limit, CancellationToken.None, new int[] { (int)file.DangerousGetHandle() });
    }
}
