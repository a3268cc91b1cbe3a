using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting;

/// <summary>What the control socket may do with the server as a whole.</summary>
internal sealed class ServerControls(ListenerSet listeners, MailLog log, Generations generations, FilterHosts filters, Func<CancellationToken, ValueTask<ReloadResult>> reload) : IServerControls
{
    public bool IsSmtpPaused
    {
        get => listeners.IsPaused;
        set => listeners.IsPaused = value;
    }

    public bool IsVerbose
    {
        get => log.Level <= LogLevel.Debug;
        set => log.Level = value ? LogLevel.Debug : LogLevel.Information;
    }

    public bool Trace(string subsystem, bool on) => log.Trace(subsystem, on);

    public async ValueTask<TableResult> UpdateTableAsync(string name, CancellationToken cancellation)
    {
        Serving serving = generations.Enter();
        try
        {
            return await serving.Tables.UpdateAsync(name, cancellation);
        }
        finally
        {
            serving.Leave();
        }
    }

    public IReadOnlyList<FilterStatus> Filters => filters.Report();

    public ValueTask<ReloadResult> ReloadAsync(CancellationToken cancellation) => reload(cancellation);
}
