using System.Buffers;
using System.Net;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Wire;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Hands messages to LMTP servers, one recipient each. A connection is kept some seconds for the next message.</summary>
internal sealed class LmtpTransmission : IDisposable
{
    private static readonly TimeSpan s_keep = TimeSpan.FromSeconds(5);
    private const int KeptBound = 16;

    private readonly LocalSettings _settings;
    private readonly TimeProvider _time;
    private readonly List<(string Destination, LmtpConnection Connection)> _kept = [];
    private readonly ITimer _sweeper;

    internal LmtpTransmission(LocalSettings settings, TimeProvider time)
    {
        _settings = settings;
        _time = time;
        _sweeper = time.CreateTimer(_ => Sweep(), null, s_keep, s_keep);
    }

    /// <summary>Transmits a message whose line ends are CRLF.</summary>
    internal async ValueTask<DeliveryResult> TransmitAsync(LocalPlan.Transmit plan, Envelope envelope, IMessageContent content, CancellationToken cancellation)
    {
        if (LmtpTarget.Parse(plan.Destination) is not { } place) return DeliveryResult.Temporary($"malformed lmtp destination {plan.Destination}", 3, 5);
        // Checked where they entered; on the wire one line must stay one command all the same.
        if (HasControl(envelope.Sender) || HasControl(plan.Recipient)) return DeliveryResult.Permanent("the address holds a control character", 1, 3);
        try
        {
            return await TransmitAsync(place, plan, envelope, content, cancellation) with { Remote = plan.Destination };
        }
        catch (IOException exception)
        {
            return DeliveryResult.Temporary($"lmtp {plan.Destination}: {exception.Message}", 4, 2) with { Remote = plan.Destination };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sweeper.Dispose();
        lock (_kept)
        {
            foreach ((_, LmtpConnection connection) in _kept) connection.Dispose();
            _kept.Clear();
        }
    }

    private async ValueTask<DeliveryResult> TransmitAsync(EndPoint place, LocalPlan.Transmit plan, Envelope envelope, IMessageContent content, CancellationToken cancellation)
    {
        bool utf8 = !Ascii.IsValid(envelope.Sender) || !Ascii.IsValid(plan.Recipient);
        LmtpConnection? connection = TakeKept(plan.Destination);
        SmtpReply? reply = null;
        bool keep = false;
        try
        {
            if (connection is not null)
            {
                try
                {
                    reply = await connection.AskAsync(Mail(connection, envelope, utf8), LmtpConnection.StepLimit, cancellation);
                }
                catch (IOException)
                {
                    // The server had closed a connection that we kept: that is no failure of this message.
                    connection.Dispose();
                    connection = null;
                }
            }
            if (connection is null)
            {
                (connection, SmtpReply? refusal) = await LmtpConnection.OpenAsync(place, _settings.HostName, _time, cancellation);
                // A server that refuses to talk refuses no message.
                if (connection is null) return DeliveryResult.Temporary(Line(refusal!), 4, 2);
                if (utf8 && !connection.Capabilities.SmtpUtf8) return DeliveryResult.Permanent("the lmtp server does not take addresses in UTF-8", 6, 7);
                reply = await connection.AskAsync(Mail(connection, envelope, utf8), LmtpConnection.StepLimit, cancellation);
            }
            if (reply!.IsPositive)
            {
                reply = await connection.AskAsync($"RCPT TO:<{plan.Recipient}>", LmtpConnection.StepLimit, cancellation);
                if (reply.IsPositive) reply = await connection.AskAsync("DATA", LmtpConnection.StepLimit, cancellation);
                if (reply.IsPositive)
                {
                    await SendContentAsync(connection, content, cancellation);
                    reply = await connection.ReadReplyAsync(LmtpConnection.StoreLimit, cancellation);
                    keep = true;
                }
                else
                {
                    keep = reply.Code != 421 && (await connection.AskAsync("RSET", LmtpConnection.StepLimit, cancellation)).IsPositive;
                }
            }
            return ResultOf(reply);
        }
        finally
        {
            if (connection is not null)
            {
                if (keep && reply!.Code != 421) Keep(plan.Destination, connection);
                else connection.Dispose();
            }
        }
    }

    private static async ValueTask SendContentAsync(LmtpConnection connection, IMessageContent content, CancellationToken cancellation)
    {
        ArrayBufferWriter<byte> output = new(Math.Min(content.Head.Length + 1024, 64 * 1024));
        DotStuffer stuffer = default;
        stuffer.Write(content.Head.Span, output);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            for (int length; (length = await content.ReadAsync(buffer, cancellation)) > 0;)
            {
                await connection.SendAsync(output.WrittenMemory, cancellation);
                output.ResetWrittenCount();
                stuffer.Write(buffer.AsSpan(0, length), output);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        stuffer.Finish(output);
        await connection.SendAsync(output.WrittenMemory, cancellation);
    }

    private static string Mail(LmtpConnection connection, Envelope envelope, bool utf8) =>
        $"MAIL FROM:<{envelope.Sender}>{(connection.Capabilities.EightBitMime ? " BODY=8BITMIME" : "")}{(utf8 ? " SMTPUTF8" : "")}";

    private static DeliveryResult ResultOf(SmtpReply reply)
    {
        string text = Line(reply);
        if (reply.IsPermanent) return new(DeliveryOutcome.Permanent, reply.Enhanced.IsNone ? new(5, 0, 0) : reply.Enhanced, text);
        if (reply.Code is >= 200 and < 300) return DeliveryResult.Delivered();
        return new(DeliveryOutcome.Temporary, reply.IsTemporary && !reply.Enhanced.IsNone ? reply.Enhanced : new(4, 0, 0), text);
    }

    private static string Line(SmtpReply reply) => reply.ToString().ReplaceLineEndings(" ");

    private static bool HasControl(string text) => text.Any(char.IsControl);

    private LmtpConnection? TakeKept(string destination)
    {
        lock (_kept)
        {
            int at = _kept.FindLastIndex(entry => entry.Destination == destination);
            if (at < 0) return null;
            LmtpConnection connection = _kept[at].Connection;
            _kept.RemoveAt(at);
            if (_time.GetElapsedTime(connection.LastUsed) <= s_keep) return connection;
            connection.Dispose();
            return null;
        }
    }

    private void Keep(string destination, LmtpConnection connection)
    {
        connection.LastUsed = _time.GetTimestamp();
        lock (_kept)
        {
            if (_kept.Count < KeptBound)
            {
                _kept.Add((destination, connection));
                return;
            }
        }
        connection.Dispose();
    }

    private void Sweep()
    {
        lock (_kept)
        {
            for (int i = _kept.Count - 1; i >= 0; i--)
            {
                if (_time.GetElapsedTime(_kept[i].Connection.LastUsed) <= s_keep) continue;
                _kept[i].Connection.Dispose();
                _kept.RemoveAt(i);
            }
        }
    }
}
