using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>
/// The SMTP session as a state machine without I/O or clock: a line comes in, a step comes out. Where a step needs the
/// world (a filter, a table, the rules, the queue, TLS), the driver does that and tells the dialogue what came of it.
/// <para>
/// A session is greeted or not; greeted, it has a transaction or not; a transaction has a sender, then recipients, then content. The steps of
/// an AUTH exchange lie across that. HELO, EHLO and RSET end a transaction, and so does the end of its message, good or bad.
/// </para>
/// </summary>
public sealed partial class SmtpDialogue
{
    private enum AuthStep : byte
    {
        None,
        Plain,
        LoginUser,
        LoginPassword,
    }

    private readonly SessionProfile _profile;
    private AuthStep _auth;
    private string _loginUser = "";
    private bool _chunking;
    private bool _failed;
    private int _commands;
    private int _errors;
    private int _mails;

    /// <summary>Begins a session. Mail by the local socket counts as authenticated.</summary>
    /// <param name="profile">What holds for the sessions of its listener.</param>
    /// <param name="serverName">How the server calls itself to this client.</param>
    /// <param name="client">The client's address as text, or <c>local</c>.</param>
    public SmtpDialogue(SessionProfile profile, string serverName, string client)
    {
        _profile = profile;
        ServerName = serverName;
        Client = client;
    }

    /// <summary>How the server calls itself.</summary>
    public string ServerName { get; }

    /// <summary>The client's address as text.</summary>
    public string Client { get; }

    /// <summary>The name that the client gave; empty before HELO and EHLO, and again after STARTTLS.</summary>
    public string Helo { get; private set; } = "";

    /// <summary>Whether the client said EHLO.</summary>
    public bool IsExtended { get; private set; }

    /// <summary>Whether TLS is on.</summary>
    public bool IsEncrypted { get; private set; }

    /// <summary>The user that the client authenticated as; null before.</summary>
    public string? User { get; private set; }

    /// <summary>Whether the client authenticated, or is local.</summary>
    public bool IsAuthenticated => User != null || _profile.IsLocalSocket;

    /// <summary>Whether there is a sender.</summary>
    public bool HasMail { get; private set; }

    /// <summary>The MAIL command of the transaction, or the one to be judged.</summary>
    public MailCommand Mail { get; private set; }

    /// <summary>The RCPT command to be judged.</summary>
    public RcptCommand Recipient { get; private set; }

    /// <summary>Recipients accepted in this transaction.</summary>
    public int Recipients { get; private set; }

    /// <summary>The BDAT command to be done.</summary>
    public BdatCommand Chunk { get; private set; }

    /// <summary>The user and password to be checked.</summary>
    public (string User, string Password) Credentials { get; private set; }

    /// <summary>Whether the line just taken is part of an AUTH exchange, so that it must not be logged.</summary>
    public bool LineIsSecret { get; private set; }

    /// <summary>Whether the line just taken was to be the answer to a challenge of AUTH.</summary>
    public bool LineIsResponse { get; private set; }

    /// <summary>The first words of the server.</summary>
    public SmtpReply Banner => new(220, $"{ServerName} ESMTP Posthouse");

    /// <summary>Takes a line, without its line end.</summary>
    public SessionStep Execute(ReadOnlySpan<byte> line)
    {
        if (++_commands > _profile.Limits.MaxCommands)
            return new(SessionAction.Close, Replies.TooManyCommands);
        LineIsSecret = LineIsResponse = _auth != AuthStep.None;
        if (LineIsResponse)
            return ContinueAuth(line);
        Verb = SmtpVerb.Unknown;
        if (!SmtpCommand.TryParse(line, out SmtpCommand command, out SmtpReply? error))
            return Wrong(error);
        Verb = command.Verb;
        LineIsSecret = Verb == SmtpVerb.Auth;
        // A chunk follows its BDAT, wanted or not.
        if (_isTurnedAway && Verb is not (SmtpVerb.Quit or SmtpVerb.Bdat))
            return Wrong(Replies.TurnedAway);
        return Verb switch
        {
            SmtpVerb.Helo or SmtpVerb.Ehlo => Greet(command),
            SmtpVerb.Mail => StartMail(command.Argument),
            SmtpVerb.Rcpt => AddRecipient(command.Argument),
            SmtpVerb.Data => StartData(),
            SmtpVerb.Bdat => StartChunk(command.Argument),
            SmtpVerb.Rset => HasFilters ? Ask(FilterPhase.Rset) : Reset(),
            SmtpVerb.Noop => HasFilters ? Ask(FilterPhase.Noop) : new(SessionAction.Reply, Replies.Ok),
            SmtpVerb.Quit => HasFilters ? Ask(FilterPhase.Quit) : new(SessionAction.Close, Replies.Bye),
            SmtpVerb.Help => new(SessionAction.Reply, Replies.Help),
            SmtpVerb.Vrfy => new(SessionAction.Reply, Replies.CannotVerify),
            SmtpVerb.Expn => Wrong(Replies.NotImplemented),
            SmtpVerb.StartTls => StartTls(),
            SmtpVerb.Auth => StartAuth(command.Argument),
            _ => Wrong(Replies.Unrecognised),
        };
    }

    /// <summary>Answers a line that is none: one that LF alone ended.</summary>
    public SessionStep Refuse(SmtpReply reply)
    {
        LineIsSecret = LineIsResponse = _auth != AuthStep.None;
        Verb = SmtpVerb.Unknown;
        return Wrong(reply);
    }

    /// <summary>The sender was accepted, or refused with <paramref name="refusal"/>.</summary>
    public SmtpReply DecideMail(SmtpReply? refusal)
    {
        if (refusal != null)
            return refusal;
        HasMail = true;
        _mails++;
        return Replies.Ok;
    }

    /// <summary>The recipient was accepted, or refused with <paramref name="refusal"/>.</summary>
    public SmtpReply DecideRecipient(SmtpReply? refusal)
    {
        if (refusal != null)
            return refusal;
        Recipients++;
        return Replies.RecipientOk;
    }

    /// <summary>A chunk was taken. With <paramref name="failure"/> the message has failed: further chunks are discarded until RSET.</summary>
    public SmtpReply EndChunk(SmtpReply? failure)
    {
        _chunking = true;
        if (failure == null)
            return new(250, new(2, 0, 0), $"{Chunk.Length} octets received");
        _failed = true;
        return failure;
    }

    /// <summary>The message is in the queue or was refused; either way its transaction is over.</summary>
    public void EndMessage() => EndTransaction();

    /// <summary>The handshake is made. What was said in the clear is forgotten (RFC 3207 section 4.2).</summary>
    public void Encrypted()
    {
        IsEncrypted = true;
        Helo = "";
        IsExtended = false;
        EndTransaction();
    }

    /// <summary>The credentials were right (true), wrong (false) or could not be checked (null).</summary>
    public SessionStep DecideCredentials(bool? right)
    {
        string user = Credentials.User;
        Credentials = default;
        switch (right)
        {
            case true:
                User = user;
                return new(SessionAction.Reply, Replies.Authenticated);
            case false:
                return Wrong(Replies.AuthFailed);
            default:
                return new(SessionAction.Reply, Replies.AuthUnavailable);
        }
    }

    private bool OffersTls => _profile.Tls is ListenerTls.Offered or ListenerTls.Required && !IsEncrypted;

    private bool OffersAuth => _profile.Auth != ListenerAuth.None && IsEncrypted && User == null;

    private SessionStep Greet(SmtpCommand command)
    {
        if (!HostName.IsValidGreeting(command.Argument))
            return Wrong(Replies.GreetingName);
        string identity = Encoding.ASCII.GetString(command.Argument);
        bool extended = command.Verb == SmtpVerb.Ehlo;
        return HasFilters ? Ask(extended ? FilterPhase.Ehlo : FilterPhase.Helo, identity) : Identify(identity, extended);
    }

    private SessionStep Identify(string identity, bool extended)
    {
        EndTransaction();
        Helo = identity;
        IsExtended = extended;
        string hello = $"{ServerName} Hello {Helo} [{Client}], pleased to meet you";
        return new(SessionAction.Reply, new SmtpReply(250, IsExtended ? hello + _profile.Capabilities(OffersTls, OffersAuth) : hello));
    }

    private SessionStep StartMail(ReadOnlySpan<byte> argument)
    {
        if (HasFilters)
            Address = AddressOf(argument);
        if (Helo.Length == 0)
            return Wrong(Replies.NotGreeted);
        if (HasMail)
            return Wrong(Replies.MailTwice);
        if (_profile.Tls == ListenerTls.Required && !IsEncrypted)
            return Wrong(Replies.MustStartTls);
        if (_profile.Auth == ListenerAuth.Required && !IsAuthenticated)
            return Wrong(Replies.MustAuthenticate);
        if (ReadMail(argument) is { } error)
            return error;
        return HasFilters ? Ask(FilterPhase.MailFrom, Address) : new(SessionAction.JudgeSender);
    }

    // Null when the command is good.
    private SessionStep? ReadMail(ReadOnlySpan<byte> argument)
    {
        if (!MailCommand.TryParse(argument, out MailCommand mail, out SmtpReply? error))
            return Wrong(error);
        if (mail.HasDsn && _profile.NoDsn)
            return Wrong(Replies.NoDsn);
        if (_mails >= _profile.Limits.MaxMails)
            return new(SessionAction.Reply, Replies.TooManyMails);
        // RFC 1870 section 6.1: better now than after the last byte.
        if (mail.Size > _profile.MaxMessageSize)
            return new(SessionAction.Reply, Replies.TooLarge);
        if (mail.Sender is { IsQualified: false } bare)
            mail = mail with { Sender = bare.WithDomain(ServerName) };
        Mail = mail;
        return null;
    }

    private SessionStep AddRecipient(ReadOnlySpan<byte> argument)
    {
        if (HasFilters)
            Address = AddressOf(argument);
        if (!HasMail)
            return Wrong(Helo.Length == 0 ? Replies.NotGreeted : Replies.NoMail);
        if (_chunking)
            return Wrong(Replies.AmidChunks);
        if (ReadRecipient(argument) is { } error)
            return error;
        return HasFilters ? Ask(FilterPhase.RcptTo, Address) : new(SessionAction.JudgeRecipient);
    }

    // Null when the command is good.
    private SessionStep? ReadRecipient(ReadOnlySpan<byte> argument)
    {
        if (!RcptCommand.TryParse(argument, out RcptCommand recipient, out SmtpReply? error))
            return Wrong(error);
        if (recipient.HasDsn && _profile.NoDsn)
            return Wrong(Replies.NoDsn);
        if (recipient.Recipient.IsInternational && !Mail.SmtpUtf8)
            return Wrong(Replies.NeedsUtf8);
        if (Recipients >= _profile.Limits.MaxRecipients)
            return new(SessionAction.Reply, Replies.TooManyRecipients);
        Recipient = recipient.Recipient.IsQualified ? recipient : recipient with { Recipient = recipient.Recipient.WithDomain(ServerName) };
        return null;
    }

    private SessionStep StartData()
    {
        if (NotReadyForContent() is { } reply)
            return Wrong(reply);
        if (_chunking)
            return Wrong(Replies.AmidChunks);
        return HasFilters ? Ask(FilterPhase.Data) : new(SessionAction.TakeContent, Replies.EnterMail);
    }

    private SessionStep StartChunk(ReadOnlySpan<byte> argument)
    {
        if (!BdatCommand.TryParse(argument, out BdatCommand chunk, out SmtpReply? error))
        {
            // How much follows is not known, so nothing behind it can be understood.
            Wrong(error);
            return new(SessionAction.Close, error);
        }
        Chunk = chunk;
        SmtpReply? refusal = NotReadyForContent() ?? (_failed ? Replies.ChunkFailed : null);
        SessionStep step = refusal == null ? new(SessionAction.TakeChunk) : Wrong(refusal);
        // Reading a chunk only to forget it has to have a bound.
        if (chunk.Length > _profile.MaxMessageSize)
            return new(SessionAction.Close, Replies.TooLarge);
        if (step.Action == SessionAction.TakeChunk && HasFilters && !_chunking)
            return Ask(FilterPhase.Data);
        return step.Action == SessionAction.Reply ? new(SessionAction.DiscardChunk, step.Reply) : step;
    }

    private SmtpReply? NotReadyForContent() =>
        Helo.Length == 0 ? Replies.NotGreeted : !HasMail ? Replies.NoMail : Recipients == 0 ? Replies.NoRecipient : null;

    private SessionStep Reset()
    {
        EndTransaction();
        return new(SessionAction.Reply, Replies.Reset);
    }

    private SessionStep StartTls()
    {
        if (IsEncrypted)
            return Wrong(Replies.AlreadyEncrypted);
        if (!OffersTls)
            return Wrong(Replies.NotImplemented);
        return HasFilters ? Ask(FilterPhase.StartTls) : new(SessionAction.StartTls, Replies.ReadyForTls);
    }

    private SessionStep StartAuth(ReadOnlySpan<byte> argument)
    {
        if (_profile.Auth == ListenerAuth.None)
            return Wrong(Replies.NotImplemented);
        if (!IsExtended)
            return Wrong(Replies.NotGreeted);
        if (!IsEncrypted)
            return Wrong(Replies.EncryptionNeeded);
        if (User != null)
            return Wrong(Replies.AlreadyAuthenticated);
        if (HasMail)
            return Wrong(Replies.AmidMail);
        if (MechanismOf(argument, out _) == AuthStep.None)
            return Wrong(Replies.UnknownMechanism);
        return HasFilters ? Ask(FilterPhase.Auth, Encoding.UTF8.GetString(argument)) : BeginAuth(argument);
    }

    private SessionStep BeginAuth(ReadOnlySpan<byte> argument)
    {
        _auth = MechanismOf(argument, out ReadOnlySpan<byte> response);
        if (_auth == AuthStep.None)
            return Wrong(Replies.UnknownMechanism);
        if (!response.IsEmpty)
            return ContinueAuth(response);
        return new(SessionAction.Reply, _auth == AuthStep.Plain ? Replies.Challenge : Replies.ChallengeUser);
    }

    private static AuthStep MechanismOf(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> response)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> mechanism = space < 0 ? argument : argument[..space];
        response = space < 0 ? default : argument[space..].TrimStart((byte)' ');
        return Ascii.EqualsIgnoreCase(mechanism, "PLAIN"u8) ? AuthStep.Plain
            : Ascii.EqualsIgnoreCase(mechanism, "LOGIN"u8) ? AuthStep.LoginUser : AuthStep.None;
    }

    private SessionStep ContinueAuth(ReadOnlySpan<byte> response)
    {
        AuthStep step = _auth;
        _auth = AuthStep.None;
        if (response.SequenceEqual("*"u8))
            return Wrong(Replies.AuthCancelled);
        string user, password;
        switch (step)
        {
            case AuthStep.Plain:
                if (!SaslPlain.TryDecode(response, out user, out password))
                    return Wrong(Replies.MalformedResponse);
                break;
            case AuthStep.LoginUser:
                if (!SaslPlain.TryDecodeLogin(response, out _loginUser))
                    return Wrong(Replies.MalformedResponse);
                _auth = AuthStep.LoginPassword;
                return new(SessionAction.Reply, Replies.ChallengePassword);
            default:
                if (!SaslPlain.TryDecodeLogin(response, out password))
                    return Wrong(Replies.MalformedResponse);
                user = _loginUser;
                break;
        }
        Credentials = (user, password);
        return new(SessionAction.CheckCredentials);
    }

    private void EndTransaction()
    {
        HasMail = false;
        Mail = default;
        Recipient = default;
        Recipients = 0;
        _chunking = _failed = false;
    }

    private SessionStep Wrong(SmtpReply reply) =>
        ++_errors > _profile.Limits.MaxErrors ? new(SessionAction.Close, Replies.TooManyErrors) : new(SessionAction.Reply, reply);
}
