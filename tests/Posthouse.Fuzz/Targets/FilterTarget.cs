using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Fuzz.Targets;

/// <summary>
/// What a filter says while it is asked about a command and shown a message. In an input the byte 0xF0 stands for the session, 0xF1 for the token of the
/// command, 0xF2 for that of the message. The first byte chooses lines or chunks. Whatever it says, both are answered, by it or by the next life of the filter, and what comes out is lines.
/// </summary>
public sealed class FilterTarget : IFuzzTarget
{
    private const string Content = "Subject: x\r\n\r\n.y\r\n";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    public static string Name => "filter";

    public static IReadOnlyList<string> Words { get; } =
    [
        "filter-result|\u00f0|\u00f1|", "filter-dataline|\u00f0|\u00f2|", "filter-databulk|\u00f0|\u00f2|", "proceed\n", "reject|550 x\n", "rewrite|<a@b>\n", "junk\n", "report|x\n",
        "disconnect|421 x\n", "register|ready\n", "report|1.0|smtp-in|\u00f0|x\n", ".\n", "..\n", "0\n", "3\n", "\r\n", "|", "\u00f0", "\u00f1", "\u00f2", "65536\n",
    ];

    public static IEnumerable<byte[]> Seeds =>
    [
        Encoding.Latin1.GetBytes("lfilter-result|\u00f0|\u00f1|proceed\nfilter-dataline|\u00f0|\u00f2|a\nfilter-dataline|\u00f0|\u00f2|.\n"),
        Encoding.Latin1.GetBytes("lfilter-dataline|\u00f0|\u00f2|..a\nfilter-dataline|\u00f0|\u00f2|.\nfilter-result|\u00f0|\u00f1|reject|550 no\nreport|1.0|smtp-in|\u00f0|x\n"),
        Encoding.Latin1.GetBytes("bfilter-databulk|\u00f0|\u00f2|3\na\r\nfilter-databulk|\u00f0|\u00f2|0\nfilter-result|\u00f0|\u00f1|junk\n"),
    ];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        return Task.Run(() => RunAsync(bytes)).GetAwaiter().GetResult();
    }

    private static async Task<bool> RunAsync(byte[] input)
    {
        Player player = new(isBulk: input.Length > 0 && input[0] == (byte)'b');
        FilterEnvironment environment = new() { Admd = "x", SpoolDirectory = Path.GetTempPath(), Time = new HastyTime(), Logger = NullLogger.Instance };
        await using TableSet tables = await TableSet.OpenAsync([], new() { ServerName = "x", SubAddressDelimiter = '+', Time = TimeProvider.System, Logger = NullLogger.Instance });
        await using FilterHosts hosts = new(player);
        FilterChain chain = FilterChain.Create(new FilterDefinition.Program(new("f", new PlugCommand("f"))) { Name = "f" }, tables, process => hosts.Acquire(process, environment), environment);
        SessionFilters asking = chain.Begin("00000000000000aa"), sending = chain.Begin("00000000000000aa"[..15] + "b");
        sending.TxBegin(new MessageId(1));
        await player.Ready.Task.WaitAsync(s_patience);
        while (hosts.Report()[0].State != "ready") await Task.Yield();
        Task<FilterVerdict> answer = asking.AskAsync(FilterPhase.Helo, "x").AsTask();
        StringBuilder output = new();
        MessageFiltering message = sending.BeginMessage(block =>
        {
            output.Append(Encoding.Latin1.GetString(block.Span));
            return default;
        })!;
        await message.WriteAsync(Encoding.Latin1.GetBytes(Content));
        Task<SmtpReply?> completing = message.CompleteAsync().AsTask();
        player.Say(input.AsSpan(Math.Min(1, input.Length)));
        FilterVerdict verdict = await answer.WaitAsync(s_patience);
        SmtpReply? refusal = await completing.WaitAsync(s_patience);
        string content = output.ToString();
        // Of a message that failed, a part may have come out; it goes nowhere.
        MismatchException.ThrowUnlessSame(false, refusal is null && content.Replace("\r\n", "", StringComparison.Ordinal).AsSpan().ContainsAny("\r\n\0"), "whether there is anything but lines in the message");
        MismatchException.ThrowUnlessSame(refusal is null, refusal is null && (content.Length == 0 || content.EndsWith("\r\n", StringComparison.Ordinal)), "whether it ends with a line");
        MismatchException.ThrowUnlessSame(false, verdict.Refusal is { } reply && (reply.Code is < 400 or > 599 || reply.Text.Any(char.IsControl)), "whether the reply is none");
        asking.LinkDisconnect();
        sending.LinkDisconnect();
        return player.Lives == 1;
    }

    /// <summary>The first life says what the input says and ends; the next ones are well.</summary>
    private sealed class Player(bool isBulk) : IPlugStarter
    {
        private readonly TaskCompletionSource<(string Helo, string Message)> _tokens = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Life? _first;

        public TaskCompletionSource Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Lives { get; private set; }

        public ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation)
        {
            Life life = new();
            _first ??= life;
            bool isFirst = ++Lives == 1;
            _ = Task.Run(() => PlayAsync(life, isFirst), CancellationToken.None);
            return new(new PlugStart(life, null));
        }

        public void Say(ReadOnlySpan<byte> input)
        {
            (string helo, string message) = _tokens.Task.WaitAsync(s_patience).GetAwaiter().GetResult();
            StringBuilder text = new();
            foreach (byte value in input)
            {
                _ = value switch
                {
                    0xF0 => text.Append("{S}"),
                    0xF1 => text.Append(helo),
                    0xF2 => text.Append(message),
                    _ => text.Append((char)value),
                };
            }
            // Each token belongs to one of two sessions.
            string said = text.ToString().Replace("{S}|" + helo, "00000000000000aa|" + helo, StringComparison.Ordinal).Replace("{S}", "00000000000000ab", StringComparison.Ordinal);
            _first!.Send(Encoding.Latin1.GetBytes(said));
            _first.End();
        }

        private async Task PlayAsync(Life life, bool isFirst)
        {
            try
            {
                life.Send(Encoding.Latin1.GetBytes($"register|filter|smtp-in|helo\nregister|filter|smtp-in|data-line\n{(isBulk ? "register|extension|bulk\n" : "")}register|ready\n"));
                if (isFirst) Ready.TrySetResult();
                string helo = "", message = "";
                while (await life.ReadLineAsync() is { } line)
                {
                    string[] fields = line.Split('|', 8);
                    if (fields[0] != "filter") continue;
                    if (fields[4] == "data-bulk" && fields[7] != "0") await life.SkipAsync(int.Parse(fields[7], System.Globalization.CultureInfo.InvariantCulture));
                    if (fields[4] == "helo") helo = fields[6];
                    else message = fields[6];
                    if (isFirst)
                    {
                        if (helo.Length > 0 && message.Length > 0) _tokens.TrySetResult((helo, message));
                    }
                    else if (fields[4] == "helo") life.Send(Encoding.Latin1.GetBytes($"filter-result|{fields[5]}|{fields[6]}|proceed\n"));
                    else if (fields[7] is "." or "0") life.Send(Encoding.Latin1.GetBytes($"filter-data{(isBulk ? "bulk" : "line")}|{fields[5]}|{fields[6]}|{fields[7]}\n"));
                }
                life.End();
            }
            catch (SocketException)
            {
                life.End();
            }
        }
    }

    private sealed class Life : IPlugProcess
    {
        private readonly TaskCompletionSource<ProcessEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Socket _ours;
        private readonly List<byte> _read = [];

        public Life()
        {
            if (DescriptorPair.Sockets(out int ours, out int theirs) != 0) throw new IOException("no sockets");
            _ours = new(new SafeSocketHandle(ours, ownsHandle: true));
            Conversation = new(new SafeSocketHandle(theirs, ownsHandle: true));
        }

        public int Id => 1;

        public Socket Conversation { get; }

        public Socket? Errors => null;

        public Task<ProcessEnd> Ended => _ended.Task;

        public void Send(byte[] bytes)
        {
            try
            {
                _ours.Send(bytes);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The server has had enough of it.
            }
        }

        public void End()
        {
            _ours.Dispose();
            _ended.TrySetResult(default);
        }

        public void Terminate() => End();

        public void Dispose()
        {
            End();
            Conversation.Dispose();
        }

        public async Task<string?> ReadLineAsync()
        {
            int end;
            while ((end = _read.IndexOf((byte)'\n')) < 0)
                if (!await FillAsync()) return null;
            string line = Encoding.Latin1.GetString([.. _read[..end]]);
            _read.RemoveRange(0, end + 1);
            return line;
        }

        public async Task SkipAsync(int count)
        {
            while (_read.Count < count)
                if (!await FillAsync()) return;
            _read.RemoveRange(0, count);
        }

        private async Task<bool> FillAsync()
        {
            byte[] block = new byte[4096];
            try
            {
                int got = await _ours.ReceiveAsync(block);
                _read.AddRange(block.AsSpan(0, got));
                return got > 0;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>A clock on which every wait is over at once, though time passes as it does.</summary>
    private sealed class HastyTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(System.CreateTimer(callback, state, Hasty(dueTime), period));

        private static TimeSpan Hasty(TimeSpan due) => due > TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : due;

        private sealed class Timer(ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(Hasty(dueTime), period);

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
