using System.Net;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Queueing;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>The content of messages: DATA, BDAT, and the way into the queue.</summary>
internal sealed partial class SmtpSession
{
    private const int SubmissionPort = 587;

    private async ValueTask<bool> TakeContentAsync(SmtpReply goAhead)
    {
        MessageIntake? intake = await BeginMessageAsync(chunks: false);
        if (intake == null)
        {
            _dialogue.EndMessage();
            Answer(Replies.NotStored);
            return true;
        }
        Say(goAhead);
        _filters?.TxData(goAhead);
        _takesContent = true;
        while (!intake.IsComplete)
        {
            if (_start == _end && !(await FlushAsync() && await FillAsync()))
                return false;
            int length = intake.Scan(_buffer.AsSpan(_start, _end - _start), out int consumed);
            Memory<byte> content = _buffer.AsMemory(_start, length);
            _start += consumed;
            await intake.TakeAsync(content);
        }
        await AnswerMessageAsync(intake);
        _takesContent = false;
        return true;
    }

    private async ValueTask<bool> TakeChunkAsync()
    {
        if (_intake == null)
        {
            _filters?.TxData(Replies.EnterMail);
            await BeginMessageAsync(chunks: true);
        }
        if (_intake == null)
        {
            if (!await DiscardAsync(_dialogue.Chunk.Length))
                return false;
            Answer(_dialogue.EndChunk(Replies.NotStored));
            return true;
        }
        _takesContent = true;
        for (long left = _dialogue.Chunk.Length; left > 0;)
        {
            if (_start == _end && !(await FlushAsync() && await FillAsync()))
                return false;
            int length = _intake.Scan(_buffer.AsSpan(_start, (int)Math.Min(left, _end - _start)), out int consumed);
            Memory<byte> content = _buffer.AsMemory(_start, length);
            _start += consumed;
            left -= consumed;
            await _intake.TakeAsync(content);
        }
        if (_dialogue.Chunk.IsLast)
            await AnswerMessageAsync(_intake);
        else
            Answer(_dialogue.EndChunk(_intake.Refusal));
        _takesContent = false;
        return true;
    }

    private async ValueTask<bool> DiscardAsync(long count)
    {
        while (count > 0)
        {
            if (_start == _end && !(await FlushAsync() && await FillAsync()))
                return false;
            int take = (int)Math.Min(count, _end - _start);
            _start += take;
            count -= take;
        }
        return true;
    }

    private async ValueTask<MessageIntake?> BeginMessageAsync(bool chunks)
    {
        if (_filters == null && await ReserveMessageAsync() != null)
            return null;
        MessageWriter writer = _writer!;
        DateTimeOffset now = _services.Time.GetUtcNow();
        string? onlyRecipient = _recipients is [var only] ? only.Command.Recipient.ToString() : null;
        string trace = ReceivedHeader.Build(_dialogue, _profile, _reverseName, writer.Id, _connection.Tls, onlyRecipient, now);
        if (_filters is { IsJunk: true })
            trace = "X-Spam: Yes\r\n" + trace;
        MessageIntake intake = _intake = new(writer, trace, Submission(now), _profile, chunks);
        intake.PassThrough(_filters?.BeginMessage(intake.TakeFilteredAsync));
        return intake;
    }

    // What programs and users of this site submit is completed; what other servers bring is not touched.
    private SubmissionRules? Submission(DateTimeOffset now)
    {
        bool isSubmission = _dialogue.IsAuthenticated || (_connection.Remote is { } remote && IPAddress.IsLoopback(remote.Address))
            || _connection.Local?.Port == SubmissionPort;
        if (!isSubmission)
            return null;
        string? masquerade = _profile is { Masquerade: true, Senders: not null } && _dialogue.User != null ? _dialogue.Mail.Sender?.ToString() : null;
        return new SubmissionRules(_dialogue.ServerName, masquerade, now);
    }

    private async ValueTask AnswerMessageAsync(MessageIntake intake)
    {
        SmtpReply reply = await StoreAsync(intake);
        Answer(reply);
        if (reply.IsPositive)
            _filters?.TxCommit(intake.Writer.Size);
    }

    private async ValueTask<SmtpReply> StoreAsync(MessageIntake intake)
    {
        SmtpReply? refusal = await intake.CompleteAsync();
        if (_filters != null && await ConsultOnMessageAsync(_filters) is { } verdict && refusal == null)
        {
            refusal = verdict;
            intake.Refuse(verdict);
        }
        if (refusal == null)
        {
            EnvelopeMaker.Add(intake.Writer, _dialogue, _context!, _id, _recipients!, _services.Time.GetUtcNow());
            QueueResult result = await intake.Writer.CommitAsync();
            if (result.IsOk)
                LogMessage(intake.Writer);
            else
            {
                ReceivingLog.NotStored(_services.Logger, _id, result.Message ?? result.Status.ToString());
                refusal = Replies.NotStored;
            }
        }
        _dialogue.EndMessage();
        if (refusal != null)
            _filters?.TxRollback();
        return refusal ?? new SmtpReply(250, new(2, 0, 0), $"{intake.Writer.Id} Message accepted for delivery");
    }

    private void LogMessage(MessageWriter writer)
    {
        ILogger logger = _services.Logger;
        if (!logger.IsEnabled(LogLevel.Information))
            return;
        ReceivingLog.MessageAccepted(logger, _id, writer.Id, writer.Size, _recipients!.Count, _dialogue.IsExtended ? "ESMTP" : "SMTP");
        foreach (Envelope envelope in writer.Envelopes)
            ReceivingLog.EnvelopeAccepted(logger, _id, envelope.Id, envelope.Sender, envelope.Recipient);
    }
}
