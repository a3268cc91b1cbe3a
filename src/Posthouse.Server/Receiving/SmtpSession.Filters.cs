using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Queueing;
using Posthouse.Server.Rules;
using Posthouse.Server.Transport;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What the filters of the listener are told and asked. Without filters nothing of this happens.</summary>
internal sealed partial class SmtpSession
{
    // Null: the listener has no filters, or the session has not come so far.
    private SessionFilters? _filters;

    // With filters a message has its id from MAIL on, and its envelopes theirs from RCPT on.
    private MessageWriter? _writer;
    private EnvelopeId _lastEnvelope;

    // A filter wants the connection closed behind the reply just given.
    private bool _closedByFilter;

    // Says the first words. False: a filter wants the client gone.
    private async ValueTask<bool> WelcomeAsync()
    {
        if (_profile.Filters == null)
        {
            Say(_dialogue.Banner);
            return true;
        }
        _filters = _profile.Filters.Begin(_id);
        _filters.LinkConnect(_connection.Remote, _connection.Local, _reverseName, _confirmation, _profile.LocalPath);
        FilterVerdict verdict = await _filters.AskAsync(FilterPhase.Connect);
        if (_connection.Tls is { } tls)
            _filters.LinkTls(tls.ToString());
        if (verdict.Refusal is { } refusal)
        {
            Answer(refusal);
            _dialogue.TurnAway();
            return !verdict.Closes;
        }
        Say(_dialogue.Banner);
        _filters.LinkGreeting(_dialogue.ServerName);
        return true;
    }

    // Tells of the line just taken, and finds out what becomes of it.
    private async ValueTask<SessionStep> ConsultAsync(SessionFilters filters, SessionStep step)
    {
        if (step.Reply != Replies.LineTooLong && filters.Wants(FilterEvent.ProtocolClient))
            filters.ProtocolClient(Shown(_buffer.AsSpan(_lineStart, _lineLength)));
        if (step.Action != SessionAction.Ask)
            return step;
        (FilterPhase phase, string parameter) = _dialogue.Question;
        FilterVerdict verdict = await filters.AskAsync(phase, parameter);
        _closedByFilter = verdict.Closes;
        step = _dialogue.Decide(verdict);
        if (phase is FilterPhase.Helo or FilterPhase.Ehlo or FilterPhase.Rset && step.Reply is { IsPositive: true })
        {
            ForgetTransaction();
            if (phase != FilterPhase.Rset)
                filters.LinkIdentify(_dialogue.IsExtended, _dialogue.Helo);
        }
        return step;
    }

    // A line of the client as filters may see it: what could be a password is not in it.
    private ReadOnlySpan<byte> Shown(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> mask = "********"u8, blank = " \t"u8;
        if (_dialogue.LineIsResponse)
            return mask;
        if (!IsAuth(line))
            return line;
        ReadOnlySpan<byte> rest = line[4..].TrimStart(blank);
        int end = rest.IndexOfAny(blank);
        if (end < 0)
            return line;
        int kept = line.Length - rest.Length + end + 1;
        return (byte[])[.. line[..kept], .. mask];
    }

    // However else it is malformed.
    private static bool IsAuth(ReadOnlySpan<byte> line) => line.Length >= 4 && Ascii.EqualsIgnoreCase(line[..4], "AUTH"u8);

    // What a reply to a command means for the transaction.
    private void TellOutcome(SessionFilters filters, SmtpReply reply)
    {
        switch (_dialogue.Verb)
        {
            case SmtpVerb.Mail:
                if (reply.IsPositive)
                    filters.TxBegin(_writer!.Id);
                filters.TxMail(reply, _dialogue.Address);
                break;
            case SmtpVerb.Rcpt:
                filters.TxRcpt(reply, _dialogue.Address);
                break;
            // Once a message comes in, it is its end that counts, and of chunks only the first could begin one.
            case SmtpVerb.Data or SmtpVerb.Bdat when !reply.IsPositive && reply != Replies.ChunkFailed && _intake == null && _dialogue.Recipients > 0:
                filters.TxData(reply);
                break;
        }
    }

    // Begins the message of the transaction. Null: it is begun.
    private async ValueTask<SmtpReply?> ReserveMessageAsync()
    {
        (QueueResult result, _writer) = await _services.Queue.CreateMessageAsync();
        if (_writer == null)
        {
            ReceivingLog.NotStored(_services.Logger, _id, result.Message ?? result.Status.ToString());
            return Replies.NotStored;
        }
        return null;
    }

    // Gives the envelopes of a recipient their ids, and tells them.
    private EnvelopeId[] NameEnvelopes(SessionFilters filters, IReadOnlyList<EnvelopePrototype> envelopes)
    {
        if (_lastEnvelope.Message != _writer!.Id)
            _lastEnvelope = EnvelopeId.Draw(_writer.Id);
        EnvelopeId[] ids = new EnvelopeId[envelopes.Count];
        for (int i = 0; i < ids.Length; i++)
        {
            uint low = unchecked((uint)_lastEnvelope.Value + 1);
            _lastEnvelope = new((ulong)_writer.Id.Value << 32 | Math.Max(low, 1));
            ids[i] = _lastEnvelope;
            filters.TxEnvelope(_lastEnvelope);
        }
        return ids;
    }

    // Asks about the message that has come in and been through the filters; one that is refused already as well. Null: it may be stored.
    private async ValueTask<SmtpReply?> ConsultOnMessageAsync(SessionFilters filters)
    {
        if (_dialogue.Verb == SmtpVerb.Data)
            filters.ProtocolClient("."u8);
        FilterVerdict verdict = await filters.AskAsync(FilterPhase.Commit);
        _closedByFilter = verdict.Closes;
        return verdict.Refusal ?? (verdict.Rewritten == null ? null : Replies.NothingToRewrite);
    }

    private void EndFilters(SessionFilters filters)
    {
        if (_connection.End == ConnectionEnd.TimedOut)
            filters.Timeout();
        filters.LinkDisconnect();
    }
}
