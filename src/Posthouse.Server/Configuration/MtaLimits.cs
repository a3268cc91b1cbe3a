namespace Posthouse.Server.Configuration;

/// <summary><c>mta limit</c>: bounds of relaying, for every domain or for one.</summary>
public sealed record MtaLimits
{
    /// <summary>Whether hosts are reached by IPv4.</summary>
    public bool Inet4 { get; init; } = true;
    /// <summary>Whether hosts are reached by IPv6.</summary>
    public bool Inet6 { get; init; } = true;
    /// <summary>Connections to one host.</summary>
    public int MaxConnectionsPerHost { get; init; } = 10;
    /// <summary>Connections from one source address to one host.</summary>
    public int MaxConnectionsPerRoute { get; init; } = 5;
    /// <summary>Connections from one source address.</summary>
    public int MaxConnectionsPerSource { get; init; } = 100;
    /// <summary>Connections of one relay from one source address.</summary>
    public int MaxConnectionsPerConnector { get; init; } = 20;
    /// <summary>Connections of one relay.</summary>
    public int MaxConnectionsPerRelay { get; init; } = 100;
    /// <summary>Connections to one domain.</summary>
    public int MaxConnectionsPerDomain { get; init; } = 100;
    /// <summary>Time between connections to one host.</summary>
    public TimeSpan ConnectionDelayHost { get; init; }
    /// <summary>Time between connections on one route.</summary>
    public TimeSpan ConnectionDelayRoute { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Time between connections from one source address.</summary>
    public TimeSpan ConnectionDelaySource { get; init; }
    /// <summary>Time between connections of one connector.</summary>
    public TimeSpan ConnectionDelayConnector { get; init; }
    /// <summary>Time between connections of one relay.</summary>
    public TimeSpan ConnectionDelayRelay { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>Time between connections to one domain.</summary>
    public TimeSpan ConnectionDelayDomain { get; init; }
    /// <summary>Time after the end of a connection before the next on its route.</summary>
    public TimeSpan ReconnectDelayRoute { get; init; } = TimeSpan.FromSeconds(3);
    /// <summary>Messages in one connection.</summary>
    public int MaxMailsPerSession { get; init; } = 100;
    /// <summary>Time between the messages of one connection.</summary>
    public TimeSpan TransactionDelay { get; init; }
    /// <summary>How long an idle connection waits for more work.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>Failures after which a connection is given up.</summary>
    public int MaxFailuresPerSession { get; init; } = 25;
    /// <summary>Waiting envelopes of a relay above which more are held.</summary>
    public int TaskHighWater { get; init; } = 50;
    /// <summary>Waiting envelopes of a relay below which held ones are asked for again.</summary>
    public int TaskLowWater { get; init; } = 30;
    /// <summary>How many held envelopes are asked for at a time.</summary>
    public int TaskRelease { get; init; } = 10;
}
