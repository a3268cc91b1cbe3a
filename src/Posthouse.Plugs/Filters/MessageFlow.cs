using System.Buffers;
using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>
/// A session's message on its way through the filter: from the server by line or by chunk, through the handlers of header fields and lines, into
/// a <see cref="Message"/> where a handler wants it whole, and back to the server in the form in which it came.
/// </summary>
internal sealed class MessageFlow
{
    private const int MaxField = 65536, ChunkSize = 32768;
    private readonly Dispatcher _dispatcher;
    private readonly Handlers _handlers;
    private readonly LineSplitter _splitter = new();
    private readonly LineSplitter.Sink _take, _emit;
    private readonly ArrayBufferWriter<byte> _field = new(256);
    private byte[] _token = [], _prefix = [];
    private int _fieldIndex = -1, _fieldColon;
    private bool _isBulk, _hasBegun, _isOpen, _isComplete, _hasFailed;
    private Message? _message;
    private MessageResult _result = MessageResult.Unchanged;
    private Stream? _content;

    public MessageFlow(Dispatcher dispatcher, Session session)
    {
        (_dispatcher, _handlers, Session) = (dispatcher, dispatcher.Handlers, session);
        (_take, _emit) = (Take, Emit);
    }

    public Session Session { get; }

    // A filter that only looks lets everything by; where the server speaks bulk it returns nothing at all.
    private bool IsObserver => _handlers.Observe is not null;

    /// <summary>The answer to commit as far as the message decides it; null when no whole message was seen.</summary>
    public Verdict? TakeVerdict() => !_isComplete ? null : _hasFailed ? Verdict.TryLater : _result.Verdict;

    /// <summary>The transaction is over, or given up in the middle.</summary>
    public void Reset()
    {
        _isOpen = _isComplete = _hasFailed = false;
        _result = MessageResult.Unchanged;
        _splitter.Clear();
        _message?.Dispose();
        _message = null;
        _content?.Dispose();
        _content = null;
    }

    /// <summary>A line as the server wrote it: stuffed, and a lone dot for the end.</summary>
    public void TakeLine(ReadOnlySpan<byte> token, ReadOnlySpan<byte> line)
    {
        Open(token, isBulk: false);
        if (line is [(byte)'.'])
        {
            End();
            return;
        }

        if (IsObserver) EmitStuffed(line);
        Guard(line is [(byte)'.', ..] ? line[1..] : line, static (flow, bytes) => flow.Take(bytes));
    }

    public void TakeChunk(ReadOnlySpan<byte> token, ReadOnlySpan<byte> chunk)
    {
        Open(token, isBulk: true);
        if (chunk.IsEmpty)
        {
            End();
            return;
        }

        Guard(chunk, static (flow, bytes) =>
        {
            if (flow._handlers.TakesLines) flow._splitter.Feed(bytes, flow._take);
            else flow._message?.Append(bytes);
        });
        FlushChunk();
    }

    /// <summary>Writes a line behind the handlers: to the whole message, or to the server.</summary>
    public void Emit(ReadOnlySpan<byte> line)
    {
        if (_message is not null && !_isComplete)
        {
            _message.Append(line);
            _message.Append("\r\n"u8);
        }
        else if (_isBulk)
        {
            _dispatcher.Scratch.Write(line);
            _dispatcher.Scratch.Write("\r\n"u8);
            if (_dispatcher.Scratch.WrittenCount >= ChunkSize) FlushChunk();
        }
        else
        {
            OutputBuffer output = _dispatcher.Output;
            output.Append(_prefix);
            if (line is [(byte)'.', ..]) output.Append((byte)'.');
            output.Append(line);
            output.Append((byte)'\n');
        }
    }

    /// <summary>Moves one block to the server; says whether it was the last.</summary>
    public bool PumpOnce()
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            int count = _content!.Read(block, 0, ChunkSize);
            if (count > 0)
            {
                if (_isBulk && _result.Content is null) EmitChunk(block.AsSpan(0, count));
                else _splitter.Feed(block.AsSpan(0, count), _emit);
                FlushChunk();
                return false;
            }

            _splitter.Finish(_emit);
        }
        catch (Exception e)
        {
            Fail(e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }

        FlushChunk();
        EmitEnd();
        _content!.Dispose();
        _content = null;
        _message?.Dispose();
        _message = null;
        return true;
    }

    private void Open(ReadOnlySpan<byte> token, bool isBulk)
    {
        if (_isOpen && token.SequenceEqual(_token)) return;
        Reset();
        (_isOpen, _isBulk, _hasBegun, _fieldIndex) = (true, isBulk, false, -1);
        Session.InHeader = true;
        if (!token.SequenceEqual(_token) || _prefix.Length == 0)
        {
            _token = token.ToArray();
            string name = Encoding.UTF8.GetString(token);
            string ids = _dispatcher.MinorVersion < 5 ? $"{name}|{Session.Id}" : $"{Session.Id}|{name}";
            _prefix = Encoding.UTF8.GetBytes(isBulk ? $"filter-databulk|{ids}|" : $"filter-dataline|{ids}|");
        }

        if (_handlers.Message is not null || IsObserver) _message = new();
    }

    // Whatever a handler throws fails this message, not the filter: it is taken to its end, and refused at commit.
    private void Guard(ReadOnlySpan<byte> bytes, FlowStep step)
    {
        if (_hasFailed) return;
        _dispatcher.LineOutput.Flow = this;
        try
        {
            step(this, bytes);
        }
        catch (Exception e)
        {
            Fail(e);
        }
        finally
        {
            _dispatcher.LineOutput.Flow = null;
        }
    }

    private void Take(ReadOnlySpan<byte> line)
    {
        LineOutput output = _dispatcher.LineOutput;
        if (!Session.InHeader || !_handlers.EditsHeader)
        {
            Pass(line);
            if (line.IsEmpty) Session.InHeader = false;
            return;
        }

        Begin();
        if (line is [(byte)' ' or (byte)'\t', ..])
        {
            if (_fieldIndex < 0)
            {
                Pass(line);
                return;
            }

            if (_field.WrittenCount + line.Length > MaxField) throw new InvalidDataException("a header field is longer than 64 KiB");
            _field.Write("\r\n"u8);
            _field.Write(line);
            return;
        }

        EndField();
        if (line.IsEmpty)
        {
            _handlers.HeaderEnd?.Invoke(Session, output);
            Pass(line);
            Session.InHeader = false;
            return;
        }

        int colon = line.IndexOf((byte)':');
        ReadOnlySpan<byte> name = colon <= 0 ? default : line[..colon].TrimEnd(" \t"u8);
        for (int i = 0; i < _handlers.Headers.Count && _fieldIndex < 0; i++)
            if (!name.IsEmpty && Ascii.EqualsIgnoreCase(name, _handlers.Headers[i].Name)) _fieldIndex = i;
        if (_fieldIndex < 0)
        {
            Pass(line);
            return;
        }

        _fieldColon = colon;
        _field.ResetWrittenCount();
        _field.Write(line);
    }

    private void Begin()
    {
        if (_hasBegun) return;
        _hasBegun = true;
        _handlers.HeaderBegin?.Invoke(Session, _dispatcher.LineOutput);
    }

    private void EndField()
    {
        if (_fieldIndex < 0) return;
        HeaderField field = new(_field.WrittenSpan, _fieldColon);
        HeaderEdit edit = _handlers.Headers[_fieldIndex].Call(Session, field);
        _fieldIndex = -1;
        if (edit.IsRemoved) return;
        if (edit.Value is null) _dispatcher.LineOutput.Write(field.Raw);
        else _dispatcher.LineOutput.WriteField(field.Name, edit.Value);
    }

    private void Pass(ReadOnlySpan<byte> line)
    {
        if (_handlers.Line is null) Emit(line);
        else _handlers.Line(Session, line, _dispatcher.LineOutput);
    }

    private void End()
    {
        Guard(default, static (flow, _) =>
        {
            flow._splitter.Finish(flow._take);
            if (flow.Session.InHeader && flow._handlers.EditsHeader)
            {
                flow.Begin();
                flow.EndField();
                flow._handlers.HeaderEnd?.Invoke(flow.Session, flow._dispatcher.LineOutput);
            }

            flow._handlers.MessageEnd?.Invoke(flow.Session, flow._dispatcher.LineOutput);
        });
        FlushChunk();
        _isOpen = false;
        _isComplete = true;
        if (IsObserver && !_isBulk) EmitEnd();
        if (_message is null)
        {
            if (!IsObserver) EmitEnd();
            return;
        }

        // Whole messages are work for a thread of their own; RSA signatures and MIME parsers would hold up every other session here.
        Message message = _message;
        if (_hasFailed)
        {
            if (!IsObserver) Finish();
        }
        else if (_handlers.Observe is { } observe)
        {
            Task<Verdict> work = Task.Run(() => observe(Session, message));
            _dispatcher.Await(Session, work, () =>
            {
                if (work.IsCompletedSuccessfully && work.Result != Verdict.Junk) _result = work.Result;
                else Fail(work.Exception?.InnerException ?? new InvalidOperationException("an observer ended without a verdict that commit can have"));
                message.Dispose();
                _message = null;
            });
        }
        else
        {
            Task<MessageResult> work = Task.Run(() => _handlers.Message!(Session, message));
            _dispatcher.Await(Session, work, () =>
            {
                if (work.IsCompletedSuccessfully) _result = work.Result;
                else Fail(work.Exception?.InnerException ?? new OperationCanceledException());
                Finish();
            });
        }
    }

    // Whatever was decided, the server gets a message to its final dot.
    private void Finish()
    {
        try
        {
            _content = _result.Content ?? _message!.OpenRead();
            _splitter.Feed(_result.Front, _emit);
            _splitter.Finish(_emit);
        }
        catch (Exception e)
        {
            Fail(e);
            _content ??= Stream.Null;
        }

        FlushChunk();
        _dispatcher.Pump(this);
    }

    private void EmitStuffed(ReadOnlySpan<byte> line)
    {
        OutputBuffer output = _dispatcher.Output;
        output.Append(_prefix);
        output.Append(line);
        output.Append((byte)'\n');
    }

    private void EmitEnd()
    {
        if (_isBulk) EmitChunk(default);
        else EmitStuffed("."u8);
    }

    private void FlushChunk()
    {
        ArrayBufferWriter<byte> scratch = _dispatcher.Scratch;
        for (ReadOnlySpan<byte> rest = scratch.WrittenSpan; !rest.IsEmpty;)
        {
            int count = Math.Min(rest.Length, 65536);
            EmitChunk(rest[..count]);
            rest = rest[count..];
        }

        scratch.ResetWrittenCount();
    }

    private void EmitChunk(ReadOnlySpan<byte> chunk)
    {
        OutputBuffer output = _dispatcher.Output;
        output.Append(_prefix);
        output.Append(chunk.Length);
        output.Append((byte)'\n');
        output.Append(chunk);
    }

    private void Fail(Exception e)
    {
        _dispatcher.Log(Session, "handler of a message", e);
        _hasFailed = true;
    }

    private delegate void FlowStep(MessageFlow flow, ReadOnlySpan<byte> bytes);
}
