using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Both sides of the boundary in one process, with the same channel between them as between two.</summary>
public sealed class InProcessPrivileges : IPrivileges, IDisposable
{
    private readonly Channel _engine;
    private readonly Channel _parent;

    /// <summary>Works by <paramref name="settings"/>.</summary>
    /// <exception cref="IOException">The system gives no sockets.</exception>
    public InProcessPrivileges(LocalSettings settings, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (PacketSocket.Pair(out int ours, out int theirs) is not 0 and int error) throw new IOException(Errno.Text(error));
        Deliveries = new(settings, time, logger);
        _engine = new(theirs, "engine", Deliveries.ServeAsync, logger);
        _parent = new(ours, "parent", static (_, _) => new(ChannelAnswer.Empty), logger);
        Engine = new(_parent, settings.ProgramLimit, time);
    }

    /// <summary>The processes that store messages.</summary>
    public IReadOnlyList<int> Workers => Deliveries.Workers;

    /// <summary>The engine's side.</summary>
    internal EnginePrivileges Engine { get; }

    /// <summary>The parent's side.</summary>
    internal ParentDeliveries Deliveries { get; }

    /// <inheritdoc/>
    public ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation) => Engine.ReadForwardAsync(action, user, cancellation);

    /// <inheritdoc/>
    public ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation) => Engine.OpenIncludeAsync(action, key, index, cancellation);

    /// <inheritdoc/>
    public ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation) => Engine.CheckPasswordAsync(user, password, cancellation);

    /// <inheritdoc/>
    public ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation) => Engine.DeliverToFileAsync(delivery, cancellation);

    /// <inheritdoc/>
    public ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation) => Engine.StartDeliveryAsync(envelope, cancellation);

    /// <inheritdoc/>
    public void ForgetConfiguration()
    {
        Deliveries.ForgetConfiguration();
        Engine.ForgetConfiguration();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        _parent.Dispose();
        _engine.Dispose();
        Deliveries.Dispose();
    }
}
