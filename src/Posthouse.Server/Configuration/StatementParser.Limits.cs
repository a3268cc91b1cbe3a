namespace Posthouse.Server.Configuration;

/// <summary>The mda and mta statements.</summary>
internal sealed partial class StatementParser
{
    private static readonly string[] s_mdaKeys = ["max-session", "max-session-per-user", "task-hiwat", "task-lowat", "task-release"];

    private static readonly string[] s_mtaKeys =
    [
        "inet4", "inet6", "max-conn-per-host", "max-conn-per-route", "max-conn-per-source", "max-conn-per-connector", "max-conn-per-relay",
        "max-conn-per-domain", "conn-delay-host", "conn-delay-route", "conn-delay-source", "conn-delay-connector", "conn-delay-relay",
        "conn-delay-domain", "reconn-delay-route", "session-mail-max", "session-transaction-delay", "session-keepalive",
        "max-failures-per-session", "task-hiwat", "task-lowat", "task-release",
    ];

    private readonly Dictionary<string, MtaLimits> _domainLimits = new(StringComparer.OrdinalIgnoreCase);
    private MdaLimits _mda = new();
    private MtaLimits _mta = new();
    private int? _maxDeferred;

    private void MdaStatement()
    {
        if (Accept("wrapper"))
        {
            Token name = _token;
            Name("a name for the wrapper");
            string command = Text("a command in which %{mda} stands for the wrapped one");
            if (!_failed && !_wrappers.TryAdd(name.Text, command))
                Error(name.Position, $"wrapper {Quote(name.Text)} is declared already: expected another name");
            return;
        }
        if (!Accept("limit"))
            Fail("wrapper or limit");
        while (!_failed && !_token.IsEnd)
        {
            string key = LimitKey(s_mdaKeys);
            int count = Count(key, key.StartsWith("task-", StringComparison.Ordinal) ? 0 : 1);
            _mda = key switch
            {
                "max-session" => _mda with { MaxSessions = count },
                "max-session-per-user" => _mda with { MaxSessionsPerUser = count },
                "task-hiwat" => _mda with { TaskHighWater = count },
                "task-lowat" => _mda with { TaskLowWater = count },
                "task-release" => _mda with { TaskRelease = count },
                _ => _mda,
            };
        }
    }

    private void MtaStatement()
    {
        if (Accept("max-deferred"))
        {
            _maxDeferred = Count("max-deferred");
            return;
        }
        if (!Accept("limit"))
            Fail("limit or max-deferred");
        string? domain = null;
        if (Accept("for"))
        {
            Expect("domain");
            domain = Text("a domain");
        }
        MtaLimits limits = domain is null ? _mta : _domainLimits.GetValueOrDefault(domain, _mta);
        while (!_failed && !_token.IsEnd)
            limits = MtaLimit(limits);
        if (_failed)
            return;
        if (domain is null)
            _mta = limits;
        else
            _domainLimits[domain] = limits;
    }

    private MtaLimits MtaLimit(MtaLimits limits)
    {
        if (Accept("inet4"))
            return limits with { Inet4 = true, Inet6 = false };
        if (Accept("inet6"))
            return limits with { Inet6 = true, Inet4 = false };
        string key = LimitKey(s_mtaKeys);
        int count = Count(key);
        var seconds = TimeSpan.FromSeconds(count);
        return key switch
        {
            "max-conn-per-host" => limits with { MaxConnectionsPerHost = count },
            "max-conn-per-route" => limits with { MaxConnectionsPerRoute = count },
            "max-conn-per-source" => limits with { MaxConnectionsPerSource = count },
            "max-conn-per-connector" => limits with { MaxConnectionsPerConnector = count },
            "max-conn-per-relay" => limits with { MaxConnectionsPerRelay = count },
            "max-conn-per-domain" => limits with { MaxConnectionsPerDomain = count },
            "conn-delay-host" => limits with { ConnectionDelayHost = seconds },
            "conn-delay-route" => limits with { ConnectionDelayRoute = seconds },
            "conn-delay-source" => limits with { ConnectionDelaySource = seconds },
            "conn-delay-connector" => limits with { ConnectionDelayConnector = seconds },
            "conn-delay-relay" => limits with { ConnectionDelayRelay = seconds },
            "conn-delay-domain" => limits with { ConnectionDelayDomain = seconds },
            "reconn-delay-route" => limits with { ReconnectDelayRoute = seconds },
            "session-mail-max" => limits with { MaxMailsPerSession = count },
            "session-transaction-delay" => limits with { TransactionDelay = seconds },
            "session-keepalive" => limits with { KeepAlive = seconds },
            "max-failures-per-session" => limits with { MaxFailuresPerSession = count },
            "task-hiwat" => limits with { TaskHighWater = count },
            "task-lowat" => limits with { TaskLowWater = count },
            "task-release" => limits with { TaskRelease = count },
            _ => limits,
        };
    }
}
