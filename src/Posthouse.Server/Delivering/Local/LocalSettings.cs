using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What local delivery works by.</summary>
public sealed record LocalSettings
{
    /// <summary>The configuration as it is now; called at each delivery.</summary>
    public required Func<ServerConfiguration> Configuration { get; init; }

    /// <summary>Finds a user in an action's userbase.</summary>
    public required Func<LocalAction, string, CancellationToken, ValueTask<AccountAnswer>> Accounts { get; init; }

    /// <summary>Reads again what an envelope's source names; called by the parent only.</summary>
    public required Func<Envelope, CancellationToken, ValueTask<SourceAnswer>> Sources { get; init; }

    /// <summary>The files that addresses are expanded by; called by the parent only.</summary>
    public IExpansionFiles? Files { get; init; }

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

    /// <summary>Threads of a delivery worker that wait for the disk: 1 to 64.</summary>
    public int FileThreads { get; init; } = 16;

    /// <summary>Settings by a configuration and its tables, which may become others while the server runs: <paramref name="current"/> gives those in force.</summary>
    public static LocalSettings For(Func<ConfiguredTables> current, TimeProvider time, ILogger logger)
    {
        ParentFiles files = new(current, time, logger);
        return new()
        {
            Configuration = () =>
            {
                using ConfiguredTables now = current();
                return now.Configuration;
            },
            Accounts = (action, name, cancellation) => AccountAsync(current, action, name, cancellation),
            Sources = (envelope, cancellation) => SourceAsync(current, files, envelope, cancellation),
            Files = files,
        };
    }

    private static async ValueTask<AccountAnswer> AccountAsync(Func<ConfiguredTables> current, LocalAction action, string name, CancellationToken cancellation)
    {
        using ConfiguredTables now = current();
        (UserAccount? account, string? failure) = await ExpansionLookup.AccountAsync(now.Tables, action.Userbase, name, cancellation);
        return new(account, failure is null ? null : Fault.Temporary("Temporary failure", failure));
    }

    private static async ValueTask<SourceAnswer> SourceAsync(Func<ConfiguredTables> current, IExpansionFiles files, Envelope envelope, CancellationToken cancellation)
    {
        using ConfiguredTables now = current();
        SourcedDelivery sourced = await new SourceReader(now.Configuration, now.Tables, files).ReadAsync(envelope, cancellation);
        string? entry = sourced.Element switch
        {
            { Kind: ExpansionKind.Command } command => "|" + command.Text,
            { } file => file.Text,
            null => null,
        };
        return new(entry, sourced.Fault);
    }
}
