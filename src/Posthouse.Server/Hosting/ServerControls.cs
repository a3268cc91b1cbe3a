using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>What the control socket may do with the server as a whole.</summary>
internal sealed class ServerControls(IReadOnlyList<Listener> listeners, MailLog log, TableSet tables, Func<Task> reload) : IServerControls
{
    public bool IsSmtpPaused
    {
        get => listeners.Any(static listener => listener.IsPaused);
        set
        {
            foreach (Listener listener in listeners) listener.IsPaused = value;
        }
    }

    public bool IsVerbose
    {
        get => log.Level <= LogLevel.Debug;
        set => log.Level = value ? LogLevel.Debug : LogLevel.Information;
    }

    public bool Trace(string subsystem, bool on) => log.Trace(subsystem, on);

    public ValueTask<TableResult> UpdateTableAsync(string name, CancellationToken cancellation) => tables.UpdateAsync(name, cancellation);

    public async ValueTask<Fault?> ReloadAsync(CancellationToken cancellation)
    {
        await reload();
        return null;
    }
}
