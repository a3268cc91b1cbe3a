using Posthouse.Server.Queueing.Log;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>
/// One filter's turn with a message. What goes in is kept until the transaction is over, with the length and checksum of what came out: a filter that
/// was started anew gets it all again, and of what it then says the part that has been passed on already is compared and dropped.
/// </summary>
internal sealed class MessageRequest(FilterLink link, MessageFiltering message, string spool, long maxOutput) : FilterRequest(link)
{
    private const int Idle = 0;
    private const int Delivering = 1;
    private const int TakenOver = 2;

    private int _delivery;
    private bool _inputEnds;
    private bool _finished;
    private uint _hash;
    private uint _repeatedHash;
    private long _toRepeat;

    internal MessageJournal Input { get; } = new(spool);

    internal MessageFiltering Whole => message;

    internal FilterDataMode Mode { get; set; }

    /// <summary>How much of the input this life of the filter has been told.</summary>
    internal long Written { get; set; }

    /// <summary>The life of the process that was told of it last.</summary>
    internal int Life { get; set; }

    /// <summary>The filter behind this one; null for the last.</summary>
    internal MessageRequest? Next { get; init; }

    /// <summary>Whether the input goes on as it is: the filter only observes, or has lost its turn.</summary>
    internal bool IsThrough { get; set; }

    /// <summary>How much of the input has gone on as it is.</summary>
    internal long PassedThrough { get; set; }

    /// <summary>Calls of <see cref="MessageFiltering"/> for the input to go on, of which one does the work.</summary>
    internal int ThroughCalls;

    /// <summary>Whether all input is there.</summary>
    internal bool InputEnds
    {
        get => Volatile.Read(ref _inputEnds);
        set => Volatile.Write(ref _inputEnds, value);
    }

    /// <summary>Whether this life of the filter has been told the end.</summary>
    internal bool EndWritten { get; set; }

    /// <summary>Whether the filter has given its end, or lost its turn.</summary>
    internal bool IsOver => Volatile.Read(ref _finished);

    /// <summary>Whether it has lost its turn, so that nothing can be repeated.</summary>
    internal bool Failed { get; private set; }

    /// <summary>Bytes passed on.</summary>
    internal long Passed { get; private set; }

    /// <summary>The question that waits until the message was repeated.</summary>
    internal PhaseRequest? Then { get; set; }

    /// <summary>What the block of answers being read brought, until it is delivered.</summary>
    internal OutputBlock? Output { get; set; }

    /// <summary>Checks what comes back in chunks.</summary>
    internal BulkCheck Checked;

    internal override bool IsWhole => InputEnds;

    /// <summary>From the beginning, for another life of the filter.</summary>
    internal void Repeat()
    {
        Written = 0;
        EndWritten = false;
        _toRepeat = Passed;
        _repeatedHash = 0;
        Checked = default;
    }

    /// <summary>
    /// Passes on what the filter let out, but for what was passed on by an earlier life. Answers whether this was its end, properly. By the reader of the instance only, not under its lock.
    /// </summary>
    internal bool Deliver(ReadOnlySpan<byte> output, bool ends)
    {
        if (Interlocked.CompareExchange(ref _delivery, Delivering, Idle) != Idle) return false;
        try
        {
            if (_toRepeat > 0)
            {
                int known = (int)Math.Min(_toRepeat, output.Length);
                _repeatedHash = Crc32C.Extend(_repeatedHash, output[..known]);
                _toRepeat -= known;
                output = output[known..];
                if (_toRepeat == 0 && _repeatedHash != _hash) return Fail(FilterReplies.Different, "made another message of the same lines after its restart");
            }
            if (ends && _toRepeat > 0) return Fail(FilterReplies.Different, "made a shorter message of the same lines after its restart");
            if (output.Length > 0)
            {
                if (_finished) return Fail(FilterReplies.Different, "made a longer message of the same lines after its restart");
                if (Passed + output.Length > maxOutput) return Fail(FilterReplies.OutputTooLarge, "made the message too large");
                _hash = Crc32C.Extend(_hash, output);
                Passed += output.Length;
                message.Pass(this, output, flushes: !ends);
            }
            if (ends && !_finished) Finish();
            return ends;
        }
        finally
        {
            Interlocked.CompareExchange(ref _delivery, Idle, Delivering);
        }
    }

    /// <summary>Ends its turn without the filter: the input goes on as it is where that is wanted and nothing was passed on yet, else the message fails. Any thread.</summary>
    internal void TakeOver(SmtpReply? refusal, string why)
    {
        if (IsOver) return;
        bool isMine = Interlocked.CompareExchange(ref _delivery, TakenOver, Idle) == Idle;
        if (refusal is null && isMine && Passed == 0)
        {
            message.Bypass(this);
            return;
        }
        Fail(refusal ?? FilterReplies.Temporary, why);
    }

    /// <summary>Its turn is over.</summary>
    internal void Finish()
    {
        if (Interlocked.Exchange(ref _finished, true)) return;
        message.Finished(this);
    }

    private bool Fail(SmtpReply reply, string why)
    {
        Failed = true;
        Interlocked.Exchange(ref _delivery, TakenOver);
        Link.Instance.MessageFailed(this, why);
        message.Fail(reply);
        Finish();
        return false;
    }

    /// <summary>Bytes that a filter let out, and whether that is all.</summary>
    internal sealed class OutputBlock
    {
        internal System.Buffers.ArrayBufferWriter<byte> Bytes { get; } = new(8192);

        internal bool Ends { get; set; }
    }
}
