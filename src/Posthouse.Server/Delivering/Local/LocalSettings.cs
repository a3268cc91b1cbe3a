using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What local delivery works by.</summary>
public sealed record LocalSettings
{
    /// <summary>The configuration as it is now; called at each delivery.</summary>
    public required Func<ServerConfiguration> Configuration { get; init; }

    /// <summary>Finds a user in an action's userbase.</summary>
    public required Func<LocalAction, string, CancellationToken, ValueTask<AccountAnswer>> Accounts { get; init; }

    /// <summary>Reads again what an envelope's source names.</summary>
    public required Func<Envelope, CancellationToken, ValueTask<SourceAnswer>> Sources { get; init; }

    /// <summary>The server's own users.</summary>
    public ServerUsers Users { get; init; } = ServerUsers.None;

    /// <summary>Whether deliveries take their user's identity; without it (and always for an ordinary user) they are made as whoever runs the server.</summary>
    public bool ChangesIdentity { get; init; } = SystemAccounts.IsRoot;

    /// <summary>This machine's name, for the names of files in maildirs.</summary>
    public string HostName { get; init; } = Environment.MachineName;

    /// <summary>How this server starts its children.</summary>
    public OwnExecutable Executable { get; init; } = OwnExecutable.Default;

    /// <summary>How long a delivery program may run.</summary>
    public TimeSpan ProgramLimit { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Threads that wait for the disk: 1 to 64.</summary>
    public int FileThreads { get; init; } = 16;
}
