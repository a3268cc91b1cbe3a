using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Filtering;

/// <summary>The lives of the process: start, handshake, deadlines, end.</summary>
internal sealed partial class FilterInstance
{
    /// <summary>What filters are told the server is.</summary>
    internal const string Version = "7.8.0-posthouse";

    private const int LongestComplaint = 4096;
    private const int ComplaintsAtOnce = 500;

    private static readonly TimeSpan s_handshake = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_lastOutput = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestTick = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _watch;
    private IPlugProcess? _process;
    private Task _running = Task.CompletedTask;
    private long _startedAt;
    private string? _broken;
    private bool _isArmed;

    /// <summary>Starts the process, and keeps it.</summary>
    internal void Start() => _running = Task.Run(RunAsync);

    /// <summary>Ends the process: its input ends, and after two seconds it gets a signal.</summary>
    internal async Task StopAsync()
    {
        IPlugProcess? process;
        lock (_lock)
        {
            _stopped = true;
            process = _process;
        }
        await _stop.CancelAsync();
        if (process is not null)
        {
            EndInput(process);
            await Task.WhenAny(process.Ended, Task.Delay(s_farewell, Time));
            process.Terminate();
        }
        await _running;
        await _watch.DisposeAsync();
        lock (_lock)
        {
            foreach (FilterRequest request in _waiting.Concat(_suspects)) GiveUp(request, "the filter has been taken out of the configuration");
            _waiting.Clear();
            _suspects.Clear();
        }
        Flush();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        RestartPause pause = default;
        while (!_stop.IsCancellationRequested)
        {
            long begun = Time.GetTimestamp();
            bool wasReady;
            try
            {
                wasReady = await LiveAsync();
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (Exception error)
            {
                // A bug in here must cost this filter a restart and nothing else.
                FilteringLog.Failed(Logger, Name, error);
                wasReady = false;
            }
            pause = wasReady ? RestartPause.After(Time.GetElapsedTime(begun)) : pause.AfterFailure();
            try
            {
                await Task.Delay(pause.Length, Time, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    // One life of the process; answers whether it came as far as to be ready.
    private async Task<bool> LiveAsync()
    {
        PlugStart start = await _host.Starter.StartAsync(_host.Process.Name, Command, _index, _stop.Token);
        if (start.Process is not { } process)
        {
            FilteringLog.NotStarted(Logger, Name, Command.Position.FileAndLine, start.Failure ?? "");
            return false;
        }
        try
        {
            process.Conversation.Blocking = false;
            Begin(process);
            FilteringLog.Started(Logger, Name, process.Id);
            Task complaints = process.Errors is { } errors ? ReadComplaintsAsync(errors, process.Id) : Task.CompletedTask;
            Task reading = ReadAsync(process.Conversation);
            await Task.WhenAny(reading, process.Ended);
            // One of its children may hold the pipe, and what it wrote before it ended is to be heard.
            if (!reading.IsCompleted) await Task.WhenAny(reading, Task.Delay(s_lastOutput, Time));
            lock (_lock) EndLife();
            process.Terminate();
            ProcessEnd end = await process.Ended;
            process.Conversation.Dispose();
            await reading;
            await Task.WhenAny(complaints, Task.Delay(s_lastOutput, Time));
            return SayEnd(process, end);
        }
        finally
        {
            process.Dispose();
            lock (_lock) _process = null;
            Flush();
        }
    }

    private void Begin(IPlugProcess process)
    {
        lock (_lock)
        {
            _process = process;
            _broken = null;
            _startedAt = _answeredAt = Time.GetTimestamp();
            _life++;
            _state = State.Handshake;
            _conversation = new(process.Conversation, _lock, Time, Drained);
            StringBuilder text = new();
            text.Append("config|smtpd-version|").Append(Version).Append("\nconfig|protocol|0.7\nconfig|smtp-session-timeout|")
                .Append(CultureInfo.InvariantCulture, $"{(long)_host.Environment.SessionTimeout.TotalSeconds}")
                .Append("\nconfig|subsystem|smtp-in\nconfig|admd|").Append(_host.Environment.Admd)
                .Append("\nconfig|extension|bulk\n");
            if (_registration is not null)
            {
                // What happened since then no life of it has heard of.
                Span<byte> now = stackalloc byte[32];
                text.Append("config|replay-until|").Append(Encoding.ASCII.GetString(now[..FilterLines.PutTime(now, 0, _lastLifeEnded)])).Append('\n');
            }
            Add(Encoding.UTF8.GetBytes(text.Append("config|ready\n").ToString()));
            Arm();
        }
        Flush();
    }

    // Under the lock.
    private void BecomeReady(FilterRegistration registration)
    {
        _registration = registration;
        _state = State.Ready;
        _answeredAt = Time.GetTimestamp();
        foreach (byte[] line in _late) Add(line);
        _late.Clear();
        _lateBytes = 0;
        Advance();
        Arm();
    }

    // Under the lock. The process does what it must not, or nothing: it has to end, and no more is heard of it.
    private void Break(string why)
    {
        if (_state == State.Down) return;
        _broken = why;
        EndLife();
        _process?.Terminate();
    }

    private bool SayEnd(IPlugProcess process, ProcessEnd end)
    {
        string? broken;
        bool wasReady;
        lock (_lock)
        {
            broken = _broken;
            wasReady = _wasReady;
            _wasReady = false;
        }
        if (_stop.IsCancellationRequested) FilteringLog.Stopped(Logger, Name, process.Id);
        else if (broken is not null) FilteringLog.Broke(Logger, Name, process.Id, broken);
        else if (wasReady) FilteringLog.Ended(Logger, Name, process.Id, end.ToString());
        else FilteringLog.EndedAtStart(Logger, Name, process.Id, end.ToString(), Command.Position.FileAndLine);
        return wasReady;
    }

    private void Watch()
    {
        lock (_lock)
        {
            _isArmed = false;
            if (_stopped) return;
            long now = Time.GetTimestamp();
            if (_state == State.Handshake && Time.GetElapsedTime(_startedAt, now) >= s_handshake) Break($"it has not said register|ready within {s_handshake.TotalSeconds:0} s");
            bool isSilent = Expire(now);
            if (_state == State.Ready)
            {
                if (isSilent) Break("it has answered nothing for longer than its timeout, while requests were overdue");
                else if (_conversation is { IsStalled: true } stalled && (stalled.Waiting > RoomForAll || Time.GetElapsedTime(stalled.ProgressAt, now) >= Limit(FilterPhase.RcptTo)))
                    Break("it does not read what it is told");
            }
            Arm();
        }
        Flush();
    }

    // Gives the overdue their answer; true when the process has said nothing since one of them was asked.
    private bool Expire(long now)
    {
        bool isSilent = false;
        List<FilterRequest>? overdue = null;
        foreach (FilterRequest request in _pending.Values.Concat(_waiting).Concat(_suspects))
        {
            // As long as its client is still sending, nothing is expected but of a filter that is away.
            if (request.Due is not { } due || due > now || (_state == State.Ready && !request.IsWhole)) continue;
            (overdue ??= []).Add(request);
        }
        foreach (FilterRequest request in overdue ?? [])
        {
            isSilent |= request.Token != 0 && _answeredAt <= request.AskedAt;
            FilterRequest given = request is MessageRequest { Then: { } question } ? question : request;
            FilteringLog.Overdue(Logger, given.Link.Session.Id, Name, Describe(given), PolicyName);
            if (request is MessageRequest message)
            {
                message.Then = null;
                Remove(message);
            }
            else
            {
                _waiting.Remove(request);
                _suspects.Remove(request);
                if (request.Token != 0 || _alone == request) Settle(request);
            }
            if (_alone == given) _alone = null;
            GiveUp(given, "did not answer in time");
        }
        if (overdue is not null) Advance();
        return isSilent;
    }

    // Under the lock. The watch runs only while there is something to watch.
    private void Arm()
    {
        if (_isArmed || _stopped) return;
        if (_state != State.Handshake && _pending.Count + _waiting.Count + _suspects.Count + _wantRoom.Count == 0 && _conversation is not { IsStalled: true }) return;
        _isArmed = true;
        TimeSpan tick = Limit(FilterPhase.RcptTo) / 4;
        _watch.Change(tick < s_longestTick ? tick : s_longestTick, Timeout.InfiniteTimeSpan);
    }

    private async Task ReadComplaintsAsync(Socket errors, int process)
    {
        byte[] buffer = new byte[LongestComplaint];
        int length = 0, said = 0;
        long since = Time.GetTimestamp();
        try
        {
            while (true)
            {
                int got = await errors.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None);
                length += got;
                int start = 0;
                for (int end; (end = buffer.AsSpan(start, length - start).IndexOf((byte)'\n')) >= 0; start += end + 1) Complain(buffer.AsSpan(start, end));
                if (start < length && (got == 0 || (start == 0 && length == buffer.Length)))
                {
                    Complain(buffer.AsSpan(start, length - start));
                    start = length;
                }
                buffer.AsSpan(start, length - start).CopyTo(buffer);
                length -= start;
                if (got == 0) return;
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It has ended.
        }

        void Complain(ReadOnlySpan<byte> line)
        {
            if (Time.GetElapsedTime(since) >= TimeSpan.FromSeconds(10)) (since, said) = (Time.GetTimestamp(), 0);
            if (++said < ComplaintsAtOnce) FilteringLog.Said(Logger, Name, Printable(line));
            else if (said == ComplaintsAtOnce) FilteringLog.SaidTooMuch(Logger, Name, process);
        }
    }

    private static string Printable(ReadOnlySpan<byte> line)
    {
        const int Most = 1000;
        string text = Encoding.UTF8.GetString(line.Length > Most ? line[..Most] : line).TrimEnd('\r');
        return string.Create(text.Length, text, static (into, from) =>
        {
            for (int i = 0; i < from.Length; i++) into[i] = char.IsControl(from[i]) ? '?' : from[i];
        });
    }

    private static void EndInput(IPlugProcess process)
    {
        try
        {
            process.Conversation.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }
}
