using System.Buffers.Text;
using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>The lines of messages on their way to the process.</summary>
internal sealed partial class FilterInstance
{
    private const int HighWater = 256 * 1024;
    private const int Chunk = 32 * 1024;
    private const int SmallWrite = 16 * 1024;
    private const int LongestLine = 65535;

    private readonly List<MessageRequest> _blocked = [];
    private byte[] _scratch = [];

    /// <summary>A message begins, whose input comes by and by.</summary>
    internal void BeginMessage(MessageRequest message)
    {
        lock (_lock)
        {
            _requests++;
            message.Mode = _registration!.DataMode;
            if (message.Mode == FilterDataMode.Observe)
            {
                message.Link.Message = message;
                if (_state == State.Ready) StartMessage(message);
            }
            else if (_state == State.Ready && _alone is null) StartMessage(message);
            else _waiting.Add(message);
        }
    }

    /// <summary>There is more input, or all of it (<see cref="MessageRequest.InputEnds"/>). Without <paramref name="flushes"/> it may stay here until there is more or somebody flushes.</summary>
    internal void InputArrived(MessageRequest message, bool flushes)
    {
        lock (_lock)
        {
            if (message.InputEnds && message.Token == 0 && message.Due is null) message.Due = In(Limit(FilterPhase.DataLine));
            if (_state == State.Ready && !message.Failed)
            {
                if (message.Mode == FilterDataMode.Observe && message.Life != _life) StartMessage(message);
                else if (message.Token != 0) Pump(message);
                else if (message.InputEnds) Advance();
            }
            if (message.InputEnds) Arm();
            flushes |= _conversation is { } conversation && conversation.Waiting > SmallWrite;
        }
        if (flushes) Flush();
    }

    /// <summary>Whether input waits for the process; when it is not being asked, there is no use in waiting for it.</summary>
    internal bool IsBehind(MessageRequest message)
    {
        lock (_lock) return message.Token != 0 && _state == State.Ready && message.Input.Length - message.Written > HighWater;
    }

    /// <summary>The message has lost its turn here.</summary>
    internal void MessageFailed(MessageRequest message, string why)
    {
        lock (_lock)
        {
            FilteringLog.MessageFailed(Logger, message.Link.Session.Id, message.Link.Session.Message.ToString(), Name, why);
            Remove(message);
        }
    }

    /// <summary>Nobody wants the message any more.</summary>
    internal void Forget(MessageRequest message)
    {
        lock (_lock)
        {
            Remove(message);
            if (message.Link.Message == message) message.Link.Message = null;
        }
        Flush();
    }

    private void Remove(MessageRequest message)
    {
        _suspects.Remove(message);
        _waiting.Remove(message);
        _blocked.Remove(message);
        if (_hot == message) _hot = null;
        if (message.Token != 0 || _alone == message) Settle(message);
        message.Due = null;
    }

    private void StartMessage(MessageRequest message)
    {
        if (!_registration!.Has(FilterPhase.DataLine))
        {
            // It wanted messages once, and after its restart no more.
            _takenOver.Add((message, null, "asks for no messages any more"));
            if (message.Then is { } question) Then(message, question, proper: true);
            return;
        }
        message.Mode = _registration.DataMode;
        Introduce(message.Link);
        message.Repeat();
        message.Life = _life;
        message.Token = Interlocked.Increment(ref s_token);
        message.AskedAt = Time.GetTimestamp();
        message.Due = null;
        if (message.Mode != FilterDataMode.Observe || message.Then is not null) _pending[message.Token] = message;
        Pump(message);
    }

    // Tells as much of the input as there is room for.
    private void Pump(MessageRequest message)
    {
        if (message.EndWritten) return;
        if (_scratch.Length == 0) _scratch = new byte[LongestLine + Chunk];
        FilterConversation conversation = _conversation!;
        while (true)
        {
            if (conversation.Waiting > HighWater)
            {
                if (!_blocked.Contains(message)) _blocked.Add(message);
                return;
            }
            int wanted = message.Mode == FilterDataMode.Lines ? _scratch.Length : Chunk;
            int got;
            try
            {
                got = message.Input.Read(message.Written, _scratch.AsSpan(0, wanted));
            }
            catch (IOException error)
            {
                _takenOver.Add((message, FilterReplies.Temporary, $"cannot be told the message: {error.Message}"));
                return;
            }
            int used = got == 0 ? 0 : message.Mode == FilterDataMode.Lines ? AddLines(message, _scratch.AsSpan(0, got)) : AddChunk(message, _scratch.AsSpan(0, got));
            message.Written += used;
            if (used > 0) continue;
            if (got == wanted)
            {
                _takenOver.Add((message, FilterReplies.Permanent, $"cannot be given a line of more than {LongestLine} bytes"));
                return;
            }
            if (message.InputEnds) AddEnd(message);
            return;
        }
    }

    private int AddLines(MessageRequest message, ReadOnlySpan<byte> content)
    {
        int whole = content.LastIndexOf((byte)'\n') + 1;
        if (whole == 0) return 0;
        Span<byte> prefix = stackalloc byte[FilterLines.Overhead];
        prefix = prefix[..FilterLines.Prefix(prefix, Time.GetUtcNow(), "data-line", message.Link.Session.Id, message.Token)];
        for (ReadOnlySpan<byte> rest = content[..whole]; !rest.IsEmpty;)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = rest[..end];
            rest = rest[(end + 1)..];
            if (line is [.., (byte)'\r']) line = line[..^1];
            Span<byte> room = _conversation!.Room(prefix.Length + line.Length + 2);
            prefix.CopyTo(room);
            int at = prefix.Length;
            if (line is [(byte)'.', ..]) room[at++] = (byte)'.';
            line.CopyTo(room[at..]);
            at += line.Length;
            room[at++] = (byte)'\n';
            _conversation.Advance(at);
        }
        return whole;
    }

    private int AddChunk(MessageRequest message, ReadOnlySpan<byte> content)
    {
        AddFrame(message, content);
        return content.Length;
    }

    private void AddFrame(MessageRequest message, ReadOnlySpan<byte> content)
    {
        Span<byte> room = _conversation!.Room(FilterLines.Overhead + content.Length);
        int at = FilterLines.Prefix(room, Time.GetUtcNow(), "data-bulk", message.Link.Session.Id, message.Token);
        Utf8Formatter.TryFormat(content.Length, room[at..], out int digits);
        at += digits;
        room[at++] = (byte)'\n';
        content.CopyTo(room[at..]);
        _conversation.Advance(at + content.Length);
    }

    private void AddEnd(MessageRequest message)
    {
        message.EndWritten = true;
        message.AskedAt = Time.GetTimestamp();
        message.Due = In(Limit(FilterPhase.DataLine));
        if (message.Mode == FilterDataMode.Lines)
        {
            Span<byte> room = _conversation!.Room(FilterLines.Overhead);
            int at = FilterLines.Prefix(room, Time.GetUtcNow(), "data-line", message.Link.Session.Id, message.Token);
            room[at++] = (byte)'.';
            room[at++] = (byte)'\n';
            _conversation.Advance(at);
            return;
        }
        AddFrame(message, default);
        if (message.Mode == FilterDataMode.Observe)
        {
            message.Due = null;
            if (message.Then is not null) GoOn(message);
        }
    }

    // An observer has been told all of the message again, and can be asked what waited for that.
    private void GoOn(MessageRequest message)
    {
        PhaseRequest question = message.Then!;
        _pending.Remove(message.Token);
        Then(message, question, proper: true);
    }

    private void Then(MessageRequest message, PhaseRequest question, bool proper)
    {
        message.Then = null;
        if (_alone == message) _alone = question;
        if (proper && _state == State.Ready) Put(question);
        else if (proper) _waiting.Add(question);
        else question.Answer(new(FilterAnswerKind.Reject, FilterReplies.Later));
        if (_alone is PhaseRequest { IsOpen: false })
        {
            _alone = null;
            Advance();
        }
    }

    // The pipe has taken a block: there is room again.
    private void Drained()
    {
        List<TaskCompletionSource>? room = null;
        lock (_lock)
        {
            if (_conversation is not null && _blocked.Count > 0)
            {
                MessageRequest[] blocked = [.. _blocked];
                _blocked.Clear();
                foreach (MessageRequest message in blocked)
                {
                    if (message.Token != 0 && message.Life == _life) Pump(message);
                    message.Whole.Wake();
                }
            }
            if (_wantRoom.Count > 0 && HasRoom)
            {
                room = [.. _wantRoom];
                _wantRoom.Clear();
            }
        }
        foreach (TaskCompletionSource waiter in room ?? []) waiter.TrySetResult();
    }
}
