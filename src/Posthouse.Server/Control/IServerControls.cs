using Posthouse.Plugs;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;

namespace Posthouse.Server.Control;

/// <summary>What an administrator can do with the server as a whole while it runs. Called from any thread.</summary>
public interface IServerControls
{
    /// <summary>Whether no new SMTP sessions are taken; they wait in the backlog.</summary>
    bool IsSmtpPaused { get; set; }

    /// <summary>Whether the log is verbose.</summary>
    bool IsVerbose { get; set; }

    /// <summary>How the programs of filters are.</summary>
    IReadOnlyList<FilterStatus> Filters { get; }

    /// <summary>Traces a subsystem in the log, or no longer; false when there is none of that name.</summary>
    bool Trace(string subsystem, bool on);

    /// <summary>Reads a table's source again; NotFound when there is no such table.</summary>
    ValueTask<TableResult> UpdateTableAsync(string name, CancellationToken cancellation);

    /// <summary>Does what SIGHUP does: serves by the configuration as it is written now, or says why not.</summary>
    ValueTask<ReloadResult> ReloadAsync(CancellationToken cancellation);
}
