using System.Net;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// What needs root, done in the server's own process. Started by an ordinary user it does the same without changing
/// identity: every delivery is then made as that user.
/// </summary>
public sealed class InProcessPrivileges : IPrivileges, IDisposable
{
    private readonly LocalSettings _settings;
    private readonly LocalPlanner _planner;
    private readonly FileStorage _files;
    private readonly SystemPasswords _passwords;
    private readonly ILogger _logger;

    /// <summary>Works by <paramref name="settings"/>.</summary>
    public InProcessPrivileges(LocalSettings settings, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _planner = new(settings);
        _files = new(new(time, settings.HostName), settings.FileThreads);
        _passwords = new(time, logger);
        _logger = logger;
    }

    /// <inheritdoc/>
    public ValueTask<ListenResult> ListenAsync(EndPoint endPoint, CancellationToken cancellation) => new(ListeningSocket.Bind(endPoint));

    /// <inheritdoc/>
    public ValueTask<ForwardFile> ReadForwardAsync(UserAccount account, CancellationToken cancellation) => new(ForwardReader.Read(account, _logger));

    /// <inheritdoc/>
    public ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation) =>
        _passwords.CheckAsync(user, password, cancellation);

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(delivery);
        (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(delivery.Envelope, delivery.IsJunk, cancellation);
        if (plan is not LocalPlan.Store store) return failure ?? DeliveryResult.Temporary("the action stores no file", 3, 5);
        if (_settings.ChangesIdentity && store.Account.Uid != 0) return DeliveryResult.Temporary("cannot take another identity", 3, 5);
        return await _files.StoreAsync(store.Target, delivery.Content, cancellation);
    }

    /// <inheritdoc/>
    public ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation) =>
        new(new DeliveryStart(null, Fault.Temporary("cannot run programs")));

    /// <inheritdoc/>
    public void Dispose()
    {
        _files.Dispose();
        _passwords.Dispose();
    }
}
