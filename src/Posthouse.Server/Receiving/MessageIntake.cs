using System.Buffers;
using System.Text;
using Posthouse.Server.Filtering;
using Posthouse.Server.Queueing;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>
/// A message on its way from the client into the queue. Its header is looked at, and on submission completed, before anything is written; mostly it lies
/// whole in the first block and is not copied for that. The body passes through in the blocks in which it came, by way of the filters where some want it. As soon as the
/// message is known to be refused it is rolled back, and the rest is only scanned for its end; filters are told that end.
/// </summary>
internal sealed class MessageIntake
{
    /// <summary>The longest header, in bytes.</summary>
    internal const int MaxHeader = 1 << 20;

    /// <summary>More Received fields than this are a loop (RFC 5321 section 6.3).</summary>
    internal const int MaxReceived = 100;

    private readonly SessionProfile _profile;
    private readonly string _front;
    private readonly SubmissionRules? _submission;
    private MessageFiltering? _filtering;
    private DataScanner _scanner;
    private HeaderScanner _header;
    private byte[]? _held;
    private int _heldLength;
    private bool _inBody;

    /// <summary>Begins a message.</summary>
    /// <param name="writer">Where it goes.</param>
    /// <param name="front">What is put before it: its Received field, and whatever stands above that.</param>
    /// <param name="submission">What to complete in its header; null where nothing may be changed.</param>
    /// <param name="profile">The limits.</param>
    /// <param name="chunks">Whether it comes by BDAT.</param>
    internal MessageIntake(MessageWriter writer, string front, SubmissionRules? submission, SessionProfile profile, bool chunks)
    {
        Writer = writer;
        _front = front;
        _submission = submission;
        _profile = profile;
        _scanner = chunks ? DataScanner.ForChunks : default;
    }

    internal MessageWriter Writer { get; }

    /// <summary>Why the message is refused; null as long as it is not.</summary>
    internal SmtpReply? Refusal { get; private set; }

    /// <summary>Whether the final dot was seen.</summary>
    internal bool IsComplete => _scanner.IsComplete;

    /// <summary>Has the filters see the message; to be called before the first block. Null changes nothing.</summary>
    internal void PassThrough(MessageFiltering? filtering) => _filtering = filtering;

    /// <summary>Takes what the filters make of the message.</summary>
    internal ValueTask TakeFilteredAsync(ReadOnlyMemory<byte> content) => Refusal == null ? Writer.WriteAsync(content) : default;

    /// <summary>Scans a block in place; see <see cref="DataScanner.Scan"/>.</summary>
    internal int Scan(Span<byte> block, out int consumed) => _scanner.Scan(block, out consumed);

    /// <summary>Takes what <see cref="Scan"/> made of a block. The bytes may be reused when the task completes.</summary>
    internal ValueTask TakeAsync(ReadOnlyMemory<byte> content)
    {
        if (Refusal == null && _scanner.HasBareLineEnds)
            Refuse(Replies.BareLineEnds);
        if (Refusal == null && _scanner.Size > _profile.MaxMessageSize)
            Refuse(Replies.TooLarge);
        if (Refusal == null && _filtering != null)
            CheckForFilters();
        if (Refusal != null || content.IsEmpty)
            return default;
        return _inBody ? WriteAsync(content) : TakeHeaderAsync(content);
    }

    /// <summary>Ends the content. Null when the message may be committed; else it is rolled back, and this is why.</summary>
    internal async ValueTask<SmtpReply?> CompleteAsync()
    {
        bool endsWithLine = _scanner.IsAtLineStart;
        _scanner.Finish();
        // What came by BDAT need not end with a line end, but what leaves by DATA has to.
        await TakeAsync(endsWithLine ? default : "\r\n"u8.ToArray());
        if (Refusal == null && _scanner.LongestLine - 2 > _profile.MaxLineLength)
            Refuse(Replies.ContentLineTooLong);
        if (Refusal == null && !_inBody)
            await LeaveHeaderAsync(_held.AsMemory(0, _heldLength), default);
        ReturnHeld();
        if (_filtering is { } filtering)
        {
            SmtpReply? failure = await filtering.CompleteAsync();
            _filtering = null;
            if (Refusal == null && failure != null)
                Refuse(failure);
        }
        return Refusal;
    }

    /// <summary>Refuses the message, unless it is refused already.</summary>
    internal void Refuse(SmtpReply reply)
    {
        Refusal ??= reply;
        _filtering?.Discard();
        Writer.Rollback();
        ReturnHeld();
    }

    /// <summary>Forgets the message: the client is gone or said RSET.</summary>
    internal void Abandon()
    {
        _filtering?.Abandon();
        _filtering = null;
        Writer.Rollback();
        ReturnHeld();
    }

    private ValueTask WriteAsync(ReadOnlyMemory<byte> content) => _filtering is { } filtering ? filtering.WriteAsync(content) : Writer.WriteAsync(content);

    // Programs must not see what may break them, so this is known before a block goes to them, and of a line before it ends.
    private void CheckForFilters()
    {
        if (_scanner.Nuls != 0)
            Refuse(Replies.NulByte);
        else if (Math.Max(_scanner.LongestLine - 2, _scanner.CurrentLine - 1) > _profile.MaxLineLength)
            Refuse(Replies.ContentLineTooLong);
    }

    private async ValueTask TakeHeaderAsync(ReadOnlyMemory<byte> content)
    {
        if (_heldLength == 0 && _header.TryFindEnd(content.Span, out int length))
        {
            await LeaveHeaderAsync(content[..length], content[length..]);
            return;
        }
        if (_heldLength + content.Length > MaxHeader)
        {
            Refuse(Replies.HeaderTooLarge);
            return;
        }
        Hold(content.Span);
        if (_header.TryFindEnd(_held.AsSpan(0, _heldLength), out length))
        {
            await LeaveHeaderAsync(_held.AsMemory(0, length), _held.AsMemory(length, _heldLength - length));
            ReturnHeld();
        }
    }

    // body begins with the empty line, or is empty, or begins with a line that is no field.
    private async ValueTask LeaveHeaderAsync(ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> body)
    {
        _inBody = true;
        if (_header.IsMalformed || _header.Received > MaxReceived)
        {
            Refuse(_header.IsMalformed ? Replies.MalformedHeader : Replies.Loop);
            return;
        }
        ReplyBuffer front = new();
        Encoding.UTF8.GetBytes(_front, front);
        int ours = front.Length;
        if (_submission != null)
            _submission.Rewrite(header.Span, front);
        else
            front.Write(header.Span);
        if (!body.Span.StartsWith("\r\n"u8))
            front.Write("\r\n"u8);
        // Completed addresses make lines longer.
        if (_filtering != null && HasLongLine(front.Written.Span[ours..]))
            Refuse(Replies.ContentLineTooLong);
        else
            await WriteAsync(front.Written);
        front.Clear();
        if (Refusal != null)
            return;
        await WriteAsync(body);
    }

    private bool HasLongLine(ReadOnlySpan<byte> lines)
    {
        for (int end; (end = lines.IndexOf((byte)'\n')) >= 0; lines = lines[(end + 1)..])
        {
            if (end - 1 > _profile.MaxLineLength)
                return true;
        }
        return false;
    }

    private void Hold(ReadOnlySpan<byte> content)
    {
        if (_held == null || _held.Length - _heldLength < content.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(_heldLength * 2, _heldLength + content.Length));
            _held.AsSpan(0, _heldLength).CopyTo(larger);
            int length = _heldLength;
            ReturnHeld();
            (_held, _heldLength) = (larger, length);
        }
        content.CopyTo(_held.AsSpan(_heldLength));
        _heldLength += content.Length;
    }

    private void ReturnHeld()
    {
        if (_held != null)
            ArrayPool<byte>.Shared.Return(_held);
        _held = null;
        _heldLength = 0;
    }
}
