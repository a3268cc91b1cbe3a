using System.Buffers;
using System.Buffers.Text;
using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>
/// What the process says. A block of it is understood as a whole under the lock; what follows from it (lines of messages that go on, events for other
/// filters) is done after. A line that begins like the last answer of the same message, as nearly all do, costs one comparison.
/// </summary>
internal sealed partial class FilterInstance
{
    private const int LongestAnswer = LongestLine + 1024;
    private const int MostIgnored = 100_000;
    private const int LargestPayload = 64 * 1024;

    private readonly byte[] _hotPrefix = new byte[64];
    private readonly List<MessageRequest> _touched = [];
    private readonly List<(PhaseRequest Question, FilterAnswer Answer)> _answered = [];
    private readonly List<(SessionFilters Session, string Text)> _reports = [];
    private FilterRegistration? _registering;
    private MessageRequest? _hot;
    private int _hotLength;
    private MessageRequest? _payloadOf;
    private int _payloadLeft;
    private int _ignoredInARow;
    private bool _wasReady;
    private long _blockAt;
    private readonly Stack<MessageRequest.OutputBlock> _spareBlocks = new();

    private static ReadOnlySpan<byte> DataLine => "filter-dataline|"u8;

    private async Task ReadAsync(Socket socket)
    {
        byte[] buffer = new byte[32 * 1024];
        int length = 0;
        lock (_lock)
        {
            (_registering, _hot, _payloadOf, _payloadLeft, _ignoredInARow) = (null, null, null, 0, 0);
        }
        while (true)
        {
            int got;
            try
            {
                got = await socket.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                got = 0;
            }
            if (got == 0) return;
            length += got;
            int taken = Take(buffer.AsSpan(0, length));
            length -= taken;
            if (length > 0) buffer.AsSpan(taken, length).CopyTo(buffer);
            if (length == buffer.Length) Array.Resize(ref buffer, 2 * buffer.Length);
        }
    }

    // Understands what is whole of a block, and answers how much that was.
    private int Take(Span<byte> block)
    {
        int taken = 0;
        lock (_lock)
        {
            _blockAt = Time.GetTimestamp();
            // Whoever is to end is not listened to any more.
            if (_state == State.Down) return block.Length;
            while (taken < block.Length)
            {
                if (_payloadLeft > 0)
                {
                    int some = Math.Min(_payloadLeft, block.Length - taken);
                    TakePayload(block.Slice(taken, some));
                    taken += some;
                    continue;
                }
                Span<byte> rest = block[taken..];
                int end = rest.IndexOf((byte)'\n');
                if (end < 0)
                {
                    if (rest.Length > LongestAnswer) Break("it said a line without an end");
                    break;
                }
                taken += end + 1;
                Span<byte> line = rest[..end];
                if (line is [.., (byte)'\r']) line = line[..^1];
                if (_hot is not null && line.StartsWith(_hotPrefix.AsSpan(0, _hotLength))) TakeDataLine(_hot, line[_hotLength..]);
                else if (TakeLine(line) is { } why)
                {
                    Break(why);
                    break;
                }
                if (_state == State.Down) break;
            }
            if (_state == State.Down) taken = block.Length;
        }
        Flush();
        Deliver();
        Flush();
        return taken;
    }

    // Answers what is wrong with the line; null when nothing is.
    private string? TakeLine(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty) return null;
        if (_state == State.Handshake)
        {
            if (!line.StartsWith("register|"u8)) return $"it said before register|ready: {Printable(line)}";
            return Register(line["register|"u8.Length..]) ? null : $"malformed: {Printable(line)}";
        }
        if (line.StartsWith("register|"u8))
        {
            FilteringLog.RegisteredLate(Logger, Name, Printable(line));
            return null;
        }
        if (line.StartsWith("report|"u8)) return TakeReport(line["report|"u8.Length..]) ? null : $"malformed: {Printable(line)}";
        int bar = line.IndexOf((byte)'|');
        ReadOnlySpan<byte> kind = bar < 0 ? line : line[..bar], rest = bar < 0 ? default : line[(bar + 1)..];
        bool isResult = kind.SequenceEqual("filter-result"u8), isLine = kind.SequenceEqual("filter-dataline"u8), isBulk = kind.SequenceEqual("filter-databulk"u8);
        if (!isResult && !isLine && !isBulk) return $"unknown line: {Printable(line)}";
        if (!TryHex(ref rest, out ulong session) || !TryHex(ref rest, out ulong token)) return $"malformed: {Printable(line)}";
        int length = 0;
        if (isBulk && (!Utf8Parser.TryParse(rest, out length, out int digits) || digits != rest.Length || length is < 0 or > LargestPayload)) return $"malformed: {Printable(line)}";
        if (!_pending.TryGetValue(token, out FilterRequest? request) || request.Link.Session.Number != session)
        {
            _payloadLeft = length;
            _payloadOf = null;
            _ignored++;
            return ++_ignoredInARow > MostIgnored ? $"it answers what nobody asked, {MostIgnored} times in a row" : null;
        }
        _ignoredInARow = 0;
        _answeredAt = _blockAt;
        if (isResult) return request is PhaseRequest question ? TakeResult(question, rest, line) : $"it gave a result for lines of a message: {Printable(line)}";
        if (request is not MessageRequest message) return $"it gave lines for a command: {Printable(line)}";
        if (isLine == (message.Mode == FilterDataMode.Bulk) || message.Mode == FilterDataMode.Observe) return $"not in the way that it registered: {Printable(line)}";
        if (isLine)
        {
            _hot = message;
            _hotLength = line.Length - rest.Length;
            line[.._hotLength].CopyTo(_hotPrefix);
            TakeDataLine(message, rest);
        }
        else if (length == 0) TakeEnd(message);
        else
        {
            Output(message);
            (_payloadOf, _payloadLeft) = (message, length);
        }
        return null;
    }

    private bool Register(ReadOnlySpan<byte> text)
    {
        _registering ??= new();
        if (!text.SequenceEqual("ready"u8))
        {
            bool isUnderstood = _registering.TryAdd(text, out string? unknown);
            if (unknown is not null) FilteringLog.UnknownRegistration(Logger, Name, Printable(Encoding.UTF8.GetBytes(unknown)));
            return isUnderstood;
        }
        _wasReady = true;
        BecomeReady(_registering);
        _registering = null;
        return true;
    }

    private string? TakeResult(PhaseRequest question, ReadOnlySpan<byte> rest, ReadOnlySpan<byte> line)
    {
        int bar = rest.IndexOf((byte)'|');
        ReadOnlySpan<byte> word = bar < 0 ? rest : rest[..bar], text = bar < 0 ? default : rest[(bar + 1)..];
        FilterAnswerKind kind;
        if (word.SequenceEqual("proceed"u8)) kind = FilterAnswerKind.Proceed;
        else if (word.SequenceEqual("reject"u8)) kind = FilterAnswerKind.Reject;
        else if (word.SequenceEqual("disconnect"u8)) kind = FilterAnswerKind.Disconnect;
        else if (word.SequenceEqual("rewrite"u8)) kind = FilterAnswerKind.Rewrite;
        else if (word.SequenceEqual("junk"u8)) kind = FilterAnswerKind.Junk;
        else if (word.SequenceEqual("report"u8)) kind = FilterAnswerKind.Report;
        else return $"unknown decision: {Printable(line)}";
        if (bar < 0 && kind is (FilterAnswerKind.Reject or FilterAnswerKind.Disconnect or FilterAnswerKind.Rewrite or FilterAnswerKind.Report)) return $"decision without its parameter: {Printable(line)}";
        _latency.Add(Time.GetElapsedTime(question.AskedAt));
        FilterAnswer answer = new(kind, kind is FilterAnswerKind.Proceed or FilterAnswerKind.Junk ? null : Encoding.UTF8.GetString(text));
        if (text.IndexOfAny((byte)'\r', (byte)0) >= 0)
        {
            FilteringLog.ControlBytes(Logger, question.Link.Session.Id, Name, Printable(line));
            answer = OnFailure(question.Phase);
        }
        if (kind == FilterAnswerKind.Junk && question.Phase >= FilterPhase.DataLine)
        {
            FilteringLog.JunkTooLate(Logger, question.Link.Session.Id, Name);
            answer = FilterAnswer.Proceed;
        }
        _answered.Add((question, answer));
        Settle(question);
        return null;
    }

    private void TakeDataLine(MessageRequest message, ReadOnlySpan<byte> line)
    {
        _answeredAt = _blockAt;
        if (line is [(byte)'.', ..])
        {
            if (line.Length == 1)
            {
                TakeEnd(message);
                return;
            }
            line = line[1..];
        }
        MessageRequest.OutputBlock output = Output(message);
        if (line.IndexOfAny((byte)'\r', (byte)0) >= 0)
        {
            Spoil(message);
            return;
        }
        Span<byte> room = output.Bytes.GetSpan(line.Length + 2);
        line.CopyTo(room);
        room[line.Length] = (byte)'\r';
        room[line.Length + 1] = (byte)'\n';
        output.Bytes.Advance(line.Length + 2);
    }

    private void TakePayload(Span<byte> bytes)
    {
        _payloadLeft -= bytes.Length;
        if (_payloadOf is not { Token: not 0 } message) return;
        if (message.Checked.Take(bytes)) Output(message).Bytes.Write(bytes);
        else Spoil(message);
    }

    private void Spoil(MessageRequest message)
    {
        _takenOver.Add((message, FilterReplies.Temporary, "let out bytes that no line of a message may have"));
        if (_hot == message) _hot = null;
        if (_payloadOf == message) _payloadOf = null;
        _pending.Remove(message.Token);
        message.Token = 0;
        if (message.Then is { } question) Then(message, question, proper: false);
    }

    private void TakeEnd(MessageRequest message)
    {
        MessageRequest.OutputBlock output = Output(message);
        if (message.Mode == FilterDataMode.Bulk)
        {
            bool isWhole = message.Checked.End(out ReadOnlySpan<byte> missing);
            message.Checked = default;
            if (!isWhole)
            {
                Spoil(message);
                return;
            }
            output.Bytes.Write(missing);
        }
        output.Ends = true;
        if (_hot == message) _hot = null;
        if (message.EndWritten) _latency.Add(Time.GetElapsedTime(message.AskedAt));
        _pending.Remove(message.Token);
        message.Token = 0;
        message.Link.Message = message;
        if (message.Then is null) Settle(message);
    }

    private MessageRequest.OutputBlock Output(MessageRequest message)
    {
        if (message.Output is { } output) return output;
        _touched.Add(message);
        return message.Output = _spareBlocks.TryPop(out MessageRequest.OutputBlock? spare) ? spare : new();
    }

    // An event of the filter's own: report|TIME|smtp-in|SESSION|TEXT, with or without a version before the time.
    private bool TakeReport(ReadOnlySpan<byte> rest)
    {
        for (int skipped = 0; ; skipped++)
        {
            int bar = rest.IndexOf((byte)'|');
            if (bar < 0 || skipped > 2) return false;
            bool isSubsystem = rest[..bar].SequenceEqual("smtp-in"u8);
            rest = rest[(bar + 1)..];
            if (isSubsystem) break;
        }
        if (!TryHex(ref rest, out ulong session)) return false;
        if (_links.TryGetValue(session, out FilterLink? link)) _reports.Add((link.Session, Printable(rest)));
        else _ignored++;
        return true;
    }

    // Not under the lock: passes on what the block brought.
    private void Deliver()
    {
        for (int i = 0; i < _touched.Count; i++)
        {
            MessageRequest message = _touched[i];
            MessageRequest.OutputBlock output = message.Output!;
            message.Output = null;
            bool isProper = message.Deliver(output.Bytes.WrittenSpan, output.Ends);
            if (output.Ends)
            {
                lock (_lock)
                {
                    if (message.Then is { } question) Then(message, question, isProper);
                }
            }
            Recycle(output);
        }
        _touched.Clear();
        // The last session of a block goes on right here: mostly it is the only one, and waking another thread for it would cost more than its work.
        for (int i = 0; i < _answered.Count; i++) _answered[i].Question.Answer(_answered[i].Answer, here: i == _answered.Count - 1 && _reports.Count == 0);
        _answered.Clear();
        foreach ((SessionFilters session, string text) in _reports) session.ReportFrom("proc", _host.Process.Name, text);
        _reports.Clear();
    }

    // A process of many messages at once needs many of them; one large message's is not kept.
    private void Recycle(MessageRequest.OutputBlock output)
    {
        const int Kept = 32, Largest = 128 * 1024;
        if (_spareBlocks.Count >= Kept || output.Bytes.Capacity > Largest) return;
        output.Bytes.ResetWrittenCount();
        output.Ends = false;
        _spareBlocks.Push(output);
    }

    // Hexadecimal up to the next bar, or to the end.
    private static bool TryHex(ref ReadOnlySpan<byte> rest, out ulong value)
    {
        int bar = rest.IndexOf((byte)'|');
        ReadOnlySpan<byte> digits = bar < 0 ? rest : rest[..bar];
        rest = bar < 0 ? default : rest[(bar + 1)..];
        return Utf8Parser.TryParse(digits, out value, out int used, 'x') && used == digits.Length && digits.Length <= 16;
    }
}
