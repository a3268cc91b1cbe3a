using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Rules;
using Posthouse.Server.Transport;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>
/// Drives one session: reads lines for its <see cref="SmtpDialogue"/>, does what that wants done, and sends the replies, all that answer one block of
/// input together. A session that waits holds no buffer.
/// </summary>
internal sealed partial class SmtpSession
{
    private const int SmallBuffer = 16 * 1024;
    private const int LargeBuffer = 64 * 1024;
    private const int MaxCommandLine = 2048;
    private const int SessionsWithBuffer = 250;

    private static readonly TimeSpan s_handshakeLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_farewellLimit = TimeSpan.FromSeconds(10);

    private readonly ReceivingServices _services;
    private readonly SessionProfile _profile;
    private readonly SmtpReceiver _receiver;
    private readonly Connection _connection;
    private readonly ReplyBuffer _replies = new();
    private readonly long _started;
    private readonly string _id;

    private byte[]? _buffer;
    private int _start;
    private int _end;
    private int _lineStart;
    private int _lineLength;
    private bool _wasFull;
    private volatile bool _takesContent;
    private volatile bool _isWaiting;

    // Set by Prepare, before anything is read.
    private SmtpDialogue _dialogue = null!;
    private string _reverseName = "<unknown>";
    private ForwardConfirmation _confirmation = ForwardConfirmation.Fail;

    private SessionContext? _context;
    private List<AcceptedRecipient>? _recipients;
    private MessageIntake? _intake;

    internal SmtpSession(SmtpReceiver receiver, Connection connection)
    {
        _receiver = receiver;
        _services = receiver.Services;
        _profile = receiver.Profile;
        _connection = connection;
        _started = _services.Time.GetTimestamp();
        _id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    }

    /// <summary>Whether a message is coming in, so that a server that stops lets it finish.</summary>
    internal bool TakesContent => _takesContent;

    /// <summary>Whether it waits for the client, with nothing left to send.</summary>
    internal bool IsWaiting => _isWaiting;

    /// <summary>Ends the session at its next wait.</summary>
    internal void Interrupt() => _connection.Interrupt();

    /// <summary>Serves the client until one of both has had enough.</summary>
    internal async Task RunAsync(SessionAdmission admission)
    {
        Counter counter = _receiver.SessionsOf(_connection.Remote?.Address);
        _receiver.Connected.Add();
        _receiver.Sessions.Add();
        counter.Add();
        try
        {
            string reason = admission == SessionAdmission.Admitted ? await ServeAsync() : await TurnAwayAsync(admission);
            ReceivingLog.Disconnected(_services.Logger, _id, reason);
        }
        catch (Exception error)
        {
            // A bug in one session must not end the others; the client may try again.
            ReceivingLog.SessionFailed(_services.Logger, _id, error);
            Say(Replies.InternalError);
            _connection.SetDeadline(s_farewellLimit);
            await _connection.SendAsync(_replies.Written);
        }
        finally
        {
            _intake?.Abandon();
            _writer?.Rollback();
            ReturnBuffer();
            _replies.Clear();
            _receiver.Sessions.Add(-1);
            counter.Add(-1);
            if (_connection.Tls != null)
                (_profile.Tls == ListenerTls.Implicit ? _receiver.ImplicitTls : _receiver.StartedTls).Add(-1);
            if (_filters != null)
                EndFilters(_filters);
        }
    }

    private async ValueTask<string> ServeAsync()
    {
        if (_profile.ProxyV2 && !await ReadProxyHeaderAsync())
            return "bad-input";
        if (_profile.Tls == ListenerTls.Implicit && !await UpgradeAsync())
            return Ending();
        await PrepareAsync();
        if (!await WelcomeAsync())
            return await EndAsync(null, "filter");
        while (true)
        {
            if (_receiver.IsStopping)
                return await EndAsync(Replies.ShuttingDown, "shutdown");
            if (!TryTakeLine(out SessionStep step))
            {
                if (await FlushAsync() && await FillAsync())
                    continue;
                return _connection.End switch
                {
                    ConnectionEnd.TimedOut => await EndAsync(Replies.IdleTooLong, "timeout"),
                    ConnectionEnd.Interrupted => await EndAsync(Replies.ShuttingDown, "shutdown"),
                    _ => Ending(),
                };
            }
            if (_filters != null)
                step = await ConsultAsync(_filters, step);
            switch (step.Action)
            {
                case SessionAction.Reply:
                    Answer(step.Reply!);
                    break;
                case SessionAction.Close:
                    Answer(step.Reply!);
                    if (step.Reply == Replies.LineTooLong)
                        ReceivingLog.BadInput(_services.Logger, _id, Replies.LineTooLong.ToString());
                    return await EndAsync(null, _closedByFilter ? "filter" : ReasonOf(step.Reply!));
                case SessionAction.JudgeSender:
                    Answer(_dialogue.DecideMail(await JudgeSenderAsync()));
                    break;
                case SessionAction.JudgeRecipient:
                    Answer(_dialogue.DecideRecipient(await JudgeRecipientAsync()));
                    break;
                default:
                    if (!await DoAsync(step))
                        return await EndAsync(_connection.End == ConnectionEnd.TimedOut ? Replies.IdleTooLong : null, Ending());
                    break;
            }
            if (_closedByFilter)
                return await EndAsync(null, "filter");
            if (!_dialogue.HasMail)
                ForgetTransaction();
            if (_replies.Length > LargeBuffer && !await FlushAsync())
                return Ending();
        }
    }

    // The rarer steps. False: the connection is of no more use.
    private async ValueTask<bool> DoAsync(SessionStep step)
    {
        switch (step.Action)
        {
            case SessionAction.TakeContent:
                return await TakeContentAsync(step.Reply!);
            case SessionAction.TakeChunk:
                return await TakeChunkAsync();
            case SessionAction.DiscardChunk:
                if (!await DiscardAsync(_dialogue.Chunk.Length))
                    return false;
                Answer(step.Reply!);
                return true;
            case SessionAction.StartTls:
                return await StartTlsAsync(step.Reply!);
            case SessionAction.CheckCredentials:
                await CheckCredentialsAsync();
                return true;
            default:
                throw new InvalidOperationException($"a dialogue does not ask for {step.Action}");
        }
    }

    private bool TryTakeLine(out SessionStep step)
    {
        ReadOnlySpan<byte> input = _buffer.AsSpan(_start, _end - _start);
        int lineFeed = input.IndexOf((byte)'\n');
        if (lineFeed >= MaxCommandLine || (lineFeed < 0 && input.Length >= MaxCommandLine))
        {
            (_lineStart, _lineLength) = (_start, 0);
            step = new(SessionAction.Close, Replies.LineTooLong);
            return true;
        }
        step = default;
        if (lineFeed < 0)
            return false;
        bool isWhole = lineFeed > 0 && input[lineFeed - 1] == '\r';
        (_lineStart, _lineLength) = (_start, isWhole ? lineFeed - 1 : lineFeed);
        _start += lineFeed + 1;
        step = isWhole ? _dialogue.Execute(input[.._lineLength]) : _dialogue.Refuse(Replies.BareLineFeed);
        return true;
    }

    private async ValueTask<SmtpReply?> JudgeSenderAsync()
    {
        if (_services.Queue.IsShortOfSpace)
            return Replies.NoSpace;
        MailCommand mail = _dialogue.Mail;
        if (_profile.Senders is { } senders && _dialogue.User is { } user
            && await SenderPolicy.JudgeAsync(senders, user, mail.Sender, _profile.SubAddressDelimiter) is { } refusal)
            return refusal;
        _context = new SessionContext
        {
            Client = _connection.Remote?.Address,
            ServerName = _dialogue.ServerName,
            ReverseName = _reverseName == "<unknown>" ? null : _reverseName,
            IsForwardConfirmed = _confirmation == ForwardConfirmation.Pass,
            Helo = _dialogue.Helo,
            IsTls = _dialogue.IsEncrypted,
            AuthUser = _dialogue.User,
            Tag = _profile.Tag.Length == 0 ? null : _profile.Tag,
            Sender = mail.Sender,
        };
        return _filters == null ? null : await ReserveMessageAsync();
    }

    private async ValueTask<SmtpReply?> JudgeRecipientAsync()
    {
        RcptCommand command = _dialogue.Recipient;
        Resolution resolution = await _services.Resolve(_context!, command.Recipient, CancellationToken.None);
        if (resolution.Refusal == null)
            (_recipients ??= []).Add(new(command, resolution.Envelopes, _filters == null ? null : NameEnvelopes(_filters, resolution.Envelopes)));
        return resolution.Refusal;
    }

    private async ValueTask CheckCredentialsAsync()
    {
        (string user, string password) = _dialogue.Credentials;
        bool? right = _profile.Passwords == null ? null : await _profile.Passwords.IsRightAsync(user, password);
        ReceivingLog.Authentication(_services.Logger, _id, user, right switch { true => "ok", false => "permfail", null => "tempfail" });
        _filters?.LinkAuth(right, user);
        if (right == false)
            await Task.Delay(_services.AuthDelay(), _services.Time);
        Answer(_dialogue.DecideCredentials(right).Reply!);
    }

    private void ForgetTransaction()
    {
        _intake?.Abandon();
        _intake = null;
        _writer?.Rollback();
        _writer = null;
        _filters?.TxRollback();
        _context = null;
        _recipients?.Clear();
        if (_recipients?.Capacity > 16)
            _recipients = null;
    }

    private void Say(SmtpReply reply)
    {
        ReplyFormat.Write(_replies, reply);
        _filters?.ProtocolServer(reply);
    }

    // Answers a command, and names in the log what was refused.
    private void Answer(SmtpReply reply)
    {
        Say(reply);
        if (_filters != null)
            TellOutcome(_filters, reply);
        if (reply.Code < 400 || !_services.Logger.IsEnabled(LogLevel.Information))
            return;
        ReadOnlySpan<byte> line = _buffer.AsSpan(_lineStart, _lineLength);
        string command = _dialogue.LineIsSecret || IsAuth(line) ? "AUTH ***" : Encoding.UTF8.GetString(line).Replace('"', '\'');
        ReceivingLog.FailedCommand(_services.Logger, _id, command, reply.ToString());
        if (reply.Code == 421 && !_closedByFilter)
            ReceivingLog.LimitReached(_services.Logger, _id, reply.Text);
    }

    private static string ReasonOf(SmtpReply reply) => reply.Code switch { 221 => "quit", 421 => "limit", _ => "bad-input" };

    private string Ending() => _connection.End switch
    {
        ConnectionEnd.Broken => $"\"io-error: {_connection.EndDetail}\"",
        ConnectionEnd.TimedOut => "timeout",
        ConnectionEnd.Interrupted => "shutdown",
        _ => "disconnect",
    };

    private async ValueTask<string> EndAsync(SmtpReply? lastWords, string reason)
    {
        if (lastWords != null)
            Say(lastWords);
        _connection.SetDeadline(s_farewellLimit);
        if (!_replies.IsEmpty)
            await _connection.SendAsync(_replies.Written);
        return reason;
    }

    private async ValueTask<bool> FlushAsync()
    {
        if (_replies.IsEmpty)
            return true;
        SetDeadline();
        bool sent = await _connection.SendAsync(_replies.Written);
        _replies.Clear();
        return sent;
    }

    // Waits for input. With nothing unread the buffer goes back before, and comes anew when there is something.
    private async ValueTask<bool> FillAsync()
    {
        if (_filters != null)
            await _filters.FlushAsync();
        SetDeadline();
        _isWaiting = true;
        if (_start == _end)
        {
            // Waiting without a buffer costs a system call more. While sessions are few they may keep a small one.
            int size = _wasFull ? LargeBuffer : SmallBuffer;
            if (_buffer?.Length != size || _receiver.Sessions.Value > SessionsWithBuffer)
                ReturnBuffer();
            if (_receiver.Sessions.Value > SessionsWithBuffer)
            {
                await _connection.WaitForDataAsync();
                if (_connection.End != ConnectionEnd.None)
                    return false;
            }
            _buffer ??= ArrayPool<byte>.Shared.Rent(size);
            _start = _end = _lineStart = _lineLength = 0;
        }
        else if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        int count = await _connection.ReceiveAsync(_buffer.AsMemory(_end));
        _isWaiting = false;
        // What we do with it now is not the client's time.
        _connection.ClearDeadline();
        _end += count;
        _wasFull = _end == _buffer!.Length;
        return count > 0;
    }

    private void ReturnBuffer()
    {
        if (_buffer != null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
        _start = _end = _lineStart = _lineLength = 0;
    }

    private void SetDeadline()
    {
        TimeSpan left = _profile.Limits.SessionTimeout - _services.Time.GetElapsedTime(_started);
        TimeSpan idle = _profile.Limits.IdleTimeout;
        _connection.SetDeadline(left < idle ? left : idle);
    }
}
