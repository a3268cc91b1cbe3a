using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>
/// Starts plugs as children of this process. They take their user, group and root directory when <paramref name="users"/> has a user for plugs, for which this process
/// must be root; with <see cref="ServerUsers.None"/> they run as whoever runs this process.
/// </summary>
/// <param name="users">The server's own users.</param>
/// <param name="time">Measures how long a plug may take to end.</param>
/// <param name="logger">The log.</param>
public sealed class LocalPlugStarter(ServerUsers users, TimeProvider time, ILogger logger) : IPlugStarter, IDisposable
{
    private readonly PlugLauncher _launcher = new(users, OwnExecutable.Default, logger);
    private readonly ConcurrentDictionary<PlugChild, bool> _running = [];
    private volatile bool _disposed;

    /// <summary>Their working directory. Unless it is the root, a program may be named by its path from there.</summary>
    public string Directory { get; init; } = "/";

    /// <inheritdoc/>
    public async ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_disposed) return new(null, "the server stops");
        (LaunchedPlug? launched, string? failure) = await Task.Factory.StartNew(
            () => (_launcher.Launch(command, out string? why, Directory), why), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (launched is null) return new(null, failure);
        PlugChild child = new(launched.Process, time);
        _running[child] = true;
        _ = child.Ended.ContinueWith(_ => _running.TryRemove(child, out bool _), TaskScheduler.Default);
        PlugProcess process = new(child, ToSocket(launched.Conversation), ToSocket(launched.Errors));
        if (_disposed) child.Kill();
        if (!cancellation.IsCancellationRequested) return new(process, null);
        process.Dispose();
        throw new OperationCanceledException(cancellation);
    }

    /// <summary>Kills what still runs.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (PlugChild child in _running.Keys) child.Kill();
    }

    /// <summary>Takes a descriptor over as a socket.</summary>
    internal static Socket ToSocket(SafeHandle descriptor)
    {
        SafeSocketHandle socket = new(descriptor.DangerousGetHandle(), ownsHandle: true);
        descriptor.SetHandleAsInvalid();
        return new(socket);
    }
}
