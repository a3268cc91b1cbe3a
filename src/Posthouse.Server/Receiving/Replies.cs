using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What the server says, where it does not depend on the session. Texts are OpenSMTPD's where it has one.</summary>
internal static class Replies
{
    internal static readonly SmtpReply Ok = new(250, new(2, 0, 0), "Ok");
    internal static readonly SmtpReply Reset = new(250, new(2, 0, 0), "Reset state");
    internal static readonly SmtpReply RecipientOk = new(250, new(2, 1, 5), "Destination address valid: Recipient ok");
    internal static readonly SmtpReply EnterMail = new(354, "Enter mail, end with \".\" on a line by itself");
    internal static readonly SmtpReply Bye = new(221, new(2, 0, 0), "Bye");
    internal static readonly SmtpReply CannotVerify = new(252, new(2, 5, 0), "Cannot verify the address; send the mail and see");
    internal static readonly SmtpReply Help = new(214, new(2, 0, 0),
        "This is Posthouse\nCommands: HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\nEnd of HELP info");
    internal static readonly SmtpReply ReadyForTls = new(220, new(2, 0, 0), "Ready to start TLS");
    internal static readonly SmtpReply Challenge = new(334, "");
    internal static readonly SmtpReply ChallengeUser = new(334, "VXNlcm5hbWU6");
    internal static readonly SmtpReply ChallengePassword = new(334, "UGFzc3dvcmQ6");
    internal static readonly SmtpReply Authenticated = new(235, new(2, 7, 0), "Authentication succeeded");

    internal static readonly SmtpReply Unrecognised = new(500, new(5, 5, 1), "Invalid command: Command unrecognized");
    internal static readonly SmtpReply BareLineFeed = new(500, new(5, 5, 2), "Syntax error: Lines end with CR LF");
    internal static readonly SmtpReply LineTooLong = new(500, new(5, 5, 2), "Syntax error: Command line too long");
    internal static readonly SmtpReply NotImplemented = new(502, new(5, 5, 1), "Invalid command: Command not implemented");
    internal static readonly SmtpReply NoParameter = new(501, new(5, 5, 4), "Invalid command arguments: No parameters allowed");
    internal static readonly SmtpReply NothingToRewrite = new(500, new(5, 3, 0), "Internal error: A filter rewrote what has no parameter");
    internal static readonly SmtpReply TurnedAway = new(503, new(5, 5, 1), "Invalid command: The session was refused, send QUIT");
    internal static readonly SmtpReply GreetingName = new(501, new(5, 5, 4), "Invalid command arguments: A domain name or address literal is required");
    internal static readonly SmtpReply NotGreeted = new(503, new(5, 5, 1), "Invalid command: Send HELO or EHLO first");
    internal static readonly SmtpReply NoMail = new(503, new(5, 5, 1), "Invalid command: Send MAIL first");
    internal static readonly SmtpReply NoRecipient = new(503, new(5, 5, 1), "Invalid command: Send RCPT first");
    internal static readonly SmtpReply MailTwice = new(503, new(5, 5, 1), "Invalid command: A sender was given already");
    internal static readonly SmtpReply AmidChunks = new(503, new(5, 5, 1), "Invalid command: Only BDAT can follow BDAT");
    internal static readonly SmtpReply ChunkFailed = new(503, new(5, 5, 1), "Invalid command: The message has failed, send RSET");
    internal static readonly SmtpReply AmidMail = new(503, new(5, 5, 1), "Invalid command: Not during a mail transaction");
    internal static readonly SmtpReply AlreadyEncrypted = new(503, new(5, 5, 1), "Invalid command: TLS is on already");
    internal static readonly SmtpReply AlreadyAuthenticated = new(503, new(5, 5, 1), "Invalid command: Already authenticated");
    internal static readonly SmtpReply EncryptionNeeded = new(538, new(5, 7, 11), "Encryption required for authentication");
    internal static readonly SmtpReply UnknownMechanism = new(504, new(5, 5, 4), "Authentication mechanism not supported");
    internal static readonly SmtpReply MalformedResponse = new(501, new(5, 5, 2), "Syntax error: Malformed authentication response");
    internal static readonly SmtpReply AuthCancelled = new(501, new(5, 7, 0), "Authentication cancelled");
    internal static readonly SmtpReply AuthFailed = new(535, new(5, 7, 8), "Authentication failed");
    internal static readonly SmtpReply AuthUnavailable = new(454, new(4, 7, 0), "Temporary authentication failure");
    internal static readonly SmtpReply MustStartTls = new(530, new(5, 7, 0), "Must issue a STARTTLS command first");
    internal static readonly SmtpReply MustAuthenticate = new(530, new(5, 7, 0), "Must issue an AUTH command first");
    internal static readonly SmtpReply SenderRejected = new(530, new(5, 7, 1), "Sender rejected");
    internal static readonly SmtpReply NoDsn = new(555, new(5, 5, 4), "Invalid command arguments: Delivery status notifications are not supported");
    internal static readonly SmtpReply NeedsUtf8 = new(553, new(5, 6, 7), "Non-ASCII addresses not permitted without SMTPUTF8");
    internal static readonly SmtpReply TooManyMails = new(452, new(4, 5, 3), "Too many messages sent");
    internal static readonly SmtpReply TooManyRecipients = new(452, new(4, 5, 3), "Too many recipients");
    internal static readonly SmtpReply TooManyCommands = new(421, new(4, 7, 0), "Too many commands");
    internal static readonly SmtpReply TooManyErrors = new(421, new(4, 7, 0), "Too many errors");

    internal static readonly SmtpReply ServerFull = new(421, new(4, 3, 2), "Too many connections, try again later");
    internal static readonly SmtpReply AddressFull = new(421, new(4, 7, 0), "Too many connections from your address");
    internal static readonly SmtpReply TlsFull = new(421, new(4, 3, 2), "Too many TLS handshakes, try again later");
    internal static readonly SmtpReply IdleTooLong = new(421, new(4, 4, 2), "Timeout");
    internal static readonly SmtpReply ShuttingDown = new(421, new(4, 3, 2), "Service shutting down");
    internal static readonly SmtpReply InternalError = new(421, new(4, 3, 0), "Temporary internal error");

    internal static readonly SmtpReply TooLarge = new(552, new(5, 3, 4), "Message size exceeds fixed maximum message size");
    internal static readonly SmtpReply HeaderTooLarge = new(552, new(5, 3, 4), "Message header too large");
    internal static readonly SmtpReply NoSpace = new(452, new(4, 3, 1), "Insufficient system storage");
    internal static readonly SmtpReply NotStored = new(451, new(4, 3, 0), "Temporary failure, message not stored");
    internal static readonly SmtpReply TemporaryFailure = new(451, new(4, 3, 0), "Temporary failure");
    internal static readonly SmtpReply BareLineEnds = new(550, new(5, 6, 11), "Lines of the message do not all end with CR LF");
    internal static readonly SmtpReply NulByte = new(550, new(5, 6, 0), "Message contains NUL bytes");
    internal static readonly SmtpReply ContentLineTooLong = new(500, new(5, 6, 0), "Line of the message too long");
    internal static readonly SmtpReply Loop = new(554, new(5, 4, 6), "Routing loop detected: Loop detected");
    internal static readonly SmtpReply MalformedHeader = new(550, new(5, 7, 1), "Message is not RFC 2822 compliant");
}
