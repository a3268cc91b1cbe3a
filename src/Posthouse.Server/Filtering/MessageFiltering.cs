using System.Buffers;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>
/// A message on its way through the filters that want its lines, all at once: each gets what the one before it has let out so far. What comes
/// out at the end waits here for the session, which takes it along whenever it brings more. A message that fails on the way is still told to all of the filters to its end, since many of
/// them know no other way to be done with it.
/// </summary>
public sealed class MessageFiltering
{
    private const int Block = 32 * 1024;

    // What filters may add: headers, signatures, a report.
    private const int Growth = 1 << 20;

    private readonly MessageRequest[] _requests;
    private readonly Func<ReadOnlyMemory<byte>, ValueTask> _write;
    private readonly MessageJournal _output;
    private readonly AsyncSignal _signal = new();
    private long _drained;
    private int _running;
    private SmtpReply? _failure;
    private volatile bool _isDiscarded;

    internal MessageFiltering(IReadOnlyList<FilterLink> links, Func<ReadOnlyMemory<byte>, ValueTask> output, FilterEnvironment environment)
    {
        _write = output;
        _output = new(environment.SpoolDirectory);
        _requests = new MessageRequest[links.Count];
        _running = links.Count;
        for (int i = links.Count - 1; i >= 0; i--)
            _requests[i] = new(links[i], this, environment.SpoolDirectory, environment.MaxMessageSize + Growth) { Next = i + 1 < links.Count ? _requests[i + 1] : null };
        foreach (MessageRequest request in _requests)
        {
            request.Link.Instance.BeginMessage(request);
            request.IsThrough = request.Mode == FilterDataMode.Observe;
        }
    }

    /// <summary>Takes content: lines that end with CRLF, dots unstuffed, cut anywhere. The bytes may be reused when the task completes; waiting is the filters' back-pressure.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> content)
    {
        MessageRequest first = _requests[0];
        // More follows, or the session flushes before it waits for its client.
        Feed(first, content.Span, flushes: false);
        await DrainAsync();
        while (first.Link.Instance.IsBehind(first))
        {
            await _signal.WaitAsync();
            await DrainAsync();
        }
    }

    /// <summary>
    /// Ends the content, which is empty or ends with CRLF, and waits for all the filters, each at most for its timeout. Null when all of it went to the output; else the message
    /// fails with this reply. The commit phase is to be asked either way.
    /// </summary>
    public async ValueTask<SmtpReply?> CompleteAsync()
    {
        End(_requests[0]);
        while (true)
        {
            bool isDone = Volatile.Read(ref _running) == 0;
            await DrainAsync();
            if (isDone) return _failure;
            await _signal.WaitAsync();
        }
    }

    /// <summary>The message is refused already: what filters make of it is not wanted. They still get its end by <see cref="CompleteAsync"/>.</summary>
    public void Discard() => _isDiscarded = true;

    /// <summary>Forgets the message: its transaction is over.</summary>
    public void Abandon()
    {
        _isDiscarded = true;
        foreach (MessageRequest request in _requests)
        {
            request.Link.Instance.Forget(request);
            request.Input.Dispose();
        }
        _output.Dispose();
    }

    /// <summary>A filter let something out; with <paramref name="flushes"/> nothing follows for now.</summary>
    internal void Pass(MessageRequest from, ReadOnlySpan<byte> output, bool flushes)
    {
        if (from.Next is { } next)
        {
            Feed(next, output, flushes);
            return;
        }
        if (_isDiscarded || _failure is not null) return;
        if (!_output.Append(output)) Fail(FilterReplies.NoSpace);
        _signal.Set();
    }

    /// <summary>A filter's turn is over.</summary>
    internal void Finished(MessageRequest request)
    {
        if (request.Next is { } next) End(next);
        Interlocked.Decrement(ref _running);
        _signal.Set();
    }

    /// <summary>The message goes on as if the filter were not there.</summary>
    internal void Bypass(MessageRequest request)
    {
        request.Link.Instance.Forget(request);
        request.IsThrough = true;
        PassThrough(request);
    }

    /// <summary>The message cannot be accepted; the first reason counts.</summary>
    internal void Fail(SmtpReply reply)
    {
        Interlocked.CompareExchange(ref _failure, reply, null);
        _signal.Set();
    }

    /// <summary>Something has changed that the session may be waiting for.</summary>
    internal void Wake() => _signal.Set();

    private void Feed(MessageRequest request, ReadOnlySpan<byte> content, bool flushes)
    {
        if (request.IsOver && !request.IsThrough) return;
        if (!request.Input.Append(content))
        {
            Fail(FilterReplies.NoSpace);
            return;
        }
        if (request.IsThrough) PassThrough(request);
        request.Link.Instance.InputArrived(request, flushes);
    }

    private void End(MessageRequest request)
    {
        request.InputEnds = true;
        if (request.IsThrough) PassThrough(request);
        request.Link.Instance.InputArrived(request, flushes: true);
    }

    // Whoever calls while another is at it leaves the work to that one: a lock would be held while other filters are called.
    private void PassThrough(MessageRequest request)
    {
        int calls = Interlocked.Increment(ref request.ThroughCalls);
        if (calls > 1) return;
        byte[] block = ArrayPool<byte>.Shared.Rent(Block);
        do
        {
            bool ends = request.InputEnds;
            try
            {
                for (int got; (got = request.Input.Read(request.PassedThrough, block)) > 0; request.PassedThrough += got) Pass(request, block.AsSpan(0, got), flushes: !ends);
            }
            catch (IOException)
            {
                Fail(FilterReplies.Temporary);
            }
            if (ends) request.Finish();
            calls = Interlocked.Add(ref request.ThroughCalls, -calls);
        }
        while (calls > 0);
        ArrayPool<byte>.Shared.Return(block);
    }

    private async ValueTask DrainAsync()
    {
        if (_drained == _output.Length) return;
        byte[] block = ArrayPool<byte>.Shared.Rent(Block);
        try
        {
            for (int got; !_isDiscarded && _failure is null && (got = _output.Read(_drained, block)) > 0; _drained += got) await _write(block.AsMemory(0, got));
        }
        catch (IOException)
        {
            Fail(FilterReplies.Temporary);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
