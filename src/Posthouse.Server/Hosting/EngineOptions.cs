using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>What a <see cref="MailServer"/> is given by whoever started it.</summary>
public sealed record EngineOptions
{
    /// <summary>What the command line says.</summary>
    public required ServeOptions Serve { get; init; }

    /// <summary>Makes what does the things that need another identity.</summary>
    public required Func<LocalSettings, IPrivileges> Privileges { get; init; }

    /// <summary>Reads the configuration again and has it applied: <c>ctl reload</c>.</summary>
    public required Func<CancellationToken, ValueTask<ReloadResult>> Reload { get; init; }

    /// <summary>Opens the files of tables.</summary>
    public ITableFiles TableFiles { get; init; } = DirectTableFiles.Instance;

    /// <summary>Starts plugs; stays the caller's. Null: the server starts them itself, as children of this process.</summary>
    public IPlugStarter? Plugs { get; init; }

    /// <summary>What listeners take their certificates and authorities from; kept up to date by whoever started the server. Without it there are none.</summary>
    public CertificateStore? Certificates { get; init; }

    /// <summary>Whether databases are copied into the spool before they are opened, because this process may not open them by their path.</summary>
    public bool CopiesDatabases { get; init; }

    /// <summary>The server's own users.</summary>
    public ServerUsers Users { get; init; } = ServerUsers.None;

    /// <summary>Who may use the control socket besides root: whoever started the server.</summary>
    public uint Owner { get; init; } = SystemAccounts.EffectiveUser;

    /// <summary>Whether the process that served this spool before crashed (<see cref="ProcessEnd.IsCrash"/>): the mail that it was working on is suspect.</summary>
    public bool PredecessorCrashed { get; init; }
}
