using System.Net;
using System.Text;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The statements that set one thing for the whole server.</summary>
internal sealed partial class StatementParser
{
    private const int MaxWarnIntervals = 4;
    private const int EncryptionKeySize = 32;
    private const int DnsPort = 53;

    private static readonly string[] s_schedulerKeys = ["max-inflight", "max-schedule", "max-evp-batch-size", "max-msg-batch-size"];

    private static readonly string[] s_smtpKeys =
        ["max-mails", "max-rcpt", "max-sessions", "max-sessions-per-address", "max-commands", "max-errors", "idle-timeout", "session-timeout"];

    private readonly Dictionary<string, string> _wrappers = new(StringComparer.Ordinal);
    private readonly List<IPEndPoint> _resolvers = [];
    private string? _admd;
    private TimeSpan[]? _warnIntervals;
    private QueueConfiguration _queue = new();
    private SchedulerConfiguration _scheduler = new();
    private SmtpConfiguration _smtp = new();

    private void AdmdStatement()
    {
        Token token = _token;
        _admd = Text("the name of an administrative domain");
        if (!_failed && (_admd.Length == 0 || _admd.AsSpan().ContainsAnyExceptInRange('!', '~')))
            Error(token.Position, $"{token.Describe()} is no authservid: expected printable characters without spaces");
    }

    private void BounceStatement()
    {
        Expect("warn-interval");
        var intervals = new List<TimeSpan>();
        do
        {
            if (intervals.Count == MaxWarnIntervals)
                Warn(_token.Position, $"{_token.Describe()} is ignored: expected at most {MaxWarnIntervals} intervals");
            intervals.Add(Delay("warn-interval"));
        }
        while (!_failed && (Accept(TokenKind.Comma) || !_token.IsEnd));
        if (!_failed)
            _warnIntervals = [.. intervals.Take(MaxWarnIntervals).Distinct().Order()];
    }

    private void QueueStatement(SourcePosition position)
    {
        if (Accept("compression"))
            _queue = _queue with { Compression = true };
        else if (Accept("encryption"))
            _queue = _queue with { Encryption = true, EncryptionPosition = position, EncryptionKey = EncryptionKey() };
        else if (Accept("ttl"))
            _queue = _queue with { Ttl = Delay("ttl") };
        else if (Accept("backend"))
            QueueBackend(position);
        else
            Fail("compression, encryption, ttl or backend");
    }

    private string EncryptionKey()
    {
        // Written before 6.4: queue encryption key KEY.
        Accept("key");
        if (_failed || _token.IsEnd)
            return QueueConfiguration.KeyFromStandardInput;
        Token token = _token;
        string key = Text("a key of 32 bytes, stdin or -");
        if (key is "stdin" or "-")
            return QueueConfiguration.KeyFromStandardInput;
        // The key itself is not shown: diagnostics end in logs.
        if (!_failed && Encoding.UTF8.GetByteCount(key) != EncryptionKeySize)
            Error(token.Position, $"the key has {Encoding.UTF8.GetByteCount(key)} bytes: expected exactly {EncryptionKeySize}");
        return key;
    }

    private void QueueBackend(SourcePosition position)
    {
        if (Accept("proc-exec"))
        {
            _queue = _queue with { Backend = "proc-exec", BackendPosition = position, Plug = PlugCommand(position, PlugOptions.Instances) };
            Unsupported(position, "queue backend proc-exec");
            return;
        }
        Token name = _token;
        if (!_failed && name.IsText && name.Text is "log" or "fs" or "sqlite" or "ram" or "null")
        {
            Advance();
            _queue = _queue with { Backend = name.Text, BackendPosition = position, Plug = null };
            return;
        }
        Fail("log, fs, sqlite, ram, null or proc-exec");
    }

    private void SchedulerStatement(SourcePosition position)
    {
        if (Accept("backend"))
        {
            SchedulerBackend(position);
            return;
        }
        if (!Accept("limit"))
            Fail("limit or backend");
        while (!_failed && !_token.IsEnd)
        {
            string key = LimitKey(s_schedulerKeys);
            int count = Count(key, 1);
            _scheduler = key switch
            {
                "max-inflight" => _scheduler with { MaxInflight = count },
                "max-schedule" => _scheduler with { MaxSchedule = count },
                "max-evp-batch-size" => _scheduler with { MaxEnvelopeBatch = count },
                "max-msg-batch-size" => _scheduler with { MaxMessageBatch = count },
                _ => _scheduler,
            };
        }
    }

    private void SchedulerBackend(SourcePosition position)
    {
        if (Accept("proc-exec"))
        {
            _scheduler = _scheduler with { Backend = "proc-exec", BackendPosition = position, Plug = PlugCommand(position, PlugOptions.None) };
            Unsupported(position, "scheduler backend proc-exec");
            return;
        }
        Token name = _token;
        if (!_failed && name.IsText && name.Text is "ram" or "null")
        {
            Advance();
            _scheduler = _scheduler with { Backend = name.Text, BackendPosition = position, Plug = null };
            return;
        }
        Fail("ram, null or proc-exec");
    }

    private void SmtpStatement()
    {
        if (Accept("ciphers"))
            _smtp = _smtp with { Ciphers = Text("TLS ciphers") };
        else if (Accept("max-message-size"))
            _smtp = _smtp with { MaxMessageSize = Size("max-message-size", 1, long.MaxValue) };
        else if (Accept("max-line-length"))
            _smtp = _smtp with { MaxLineLength = (int)Size("max-line-length", 998, 65536) };
        else if (Accept("sub-addr-delim"))
            SubAddressDelimiter();
        else if (Accept("limit"))
            SmtpLimit();
        else
            Fail("ciphers, limit, max-message-size, max-line-length or sub-addr-delim");
    }

    private void SubAddressDelimiter()
    {
        Token token = _token;
        // A delimiter may be a character that means something else when it is not quoted.
        if (!_failed && !_token.IsEnd && _token.Text is [> ' ' and <= '~' and not '@'])
        {
            Advance();
            _smtp = _smtp with { SubAddressDelimiter = token.Text[0] };
            return;
        }
        Fail("one printable character other than @");
    }

    private void SmtpLimit()
    {
        SmtpLimits limits = _smtp.Limits;
        while (!_failed && !_token.IsEnd)
        {
            string key = LimitKey(s_smtpKeys);
            limits = key switch
            {
                "max-mails" => limits with { MaxMails = Count(key, 1) },
                "max-rcpt" => limits with { MaxRecipients = Count(key, 1) },
                "max-sessions" => limits with { MaxSessions = Count(key, 1) },
                "max-sessions-per-address" => limits with { MaxSessionsPerAddress = Count(key, 1) },
                "max-commands" => limits with { MaxCommands = Count(key, 1) },
                "max-errors" => limits with { MaxErrors = Count(key, 1) },
                "idle-timeout" => limits with { IdleTimeout = Delay(key) },
                "session-timeout" => limits with { SessionTimeout = Delay(key) },
                _ => limits,
            };
        }
        if (!_failed)
            _smtp = _smtp with { Limits = limits };
    }

    private string LimitKey(string[] keys)
    {
        if (!_failed && _token.IsText && keys.Contains(_token.Text, StringComparer.Ordinal))
            return Text("", allowReserved: true);
        Fail(string.Join(", ", keys));
        return "";
    }

    private void ResolverStatement()
    {
        do
        {
            Token token = _token;
            string text = Text("the address of a name server, perhaps with a port");
            if (_failed)
                return;
            if (IPEndPoint.TryParse(text, out IPEndPoint? server))
                _resolvers.Add(server.Port == 0 ? new(server.Address, DnsPort) : server);
            else
                Error(token.Position, $"{token.Describe()} is no name server: expected an address, perhaps with a port, such as 192.0.2.1:53 or [2001:db8::1]:53");
        }
        while (Accept(TokenKind.Comma) || !_token.IsEnd);
    }
}
