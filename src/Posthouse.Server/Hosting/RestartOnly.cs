using Posthouse.Server.Configuration;
using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting;

/// <summary>What of a configuration cannot change while the server runs: what holds its mail, and what knows when it is due.</summary>
public static class RestartOnly
{
    /// <summary>The configuration <paramref name="next"/> with those parts of <paramref name="inForce"/>; <paramref name="differences"/> names those that differ, as <c>file:line:column: what</c>.</summary>
    public static ServerConfiguration Keep(ServerConfiguration inForce, ServerConfiguration next, out IReadOnlyList<string> differences)
    {
        List<string> found = [];
        QueueConfiguration oldQueue = inForce.Queue, newQueue = next.Queue;
        SchedulerConfiguration oldScheduler = inForce.Scheduler, newScheduler = next.Scheduler;
        if (oldQueue.Backend != newQueue.Backend || oldQueue.Plug != newQueue.Plug)
            found.Add(At(newQueue.BackendPosition, oldQueue.BackendPosition, "queue backend"));
        if (oldQueue.Encryption != newQueue.Encryption || oldQueue.EncryptionKey != newQueue.EncryptionKey)
            found.Add(At(newQueue.EncryptionPosition, oldQueue.EncryptionPosition, "queue encryption"));
        if (oldScheduler.Backend != newScheduler.Backend || oldScheduler.Plug != newScheduler.Plug)
            found.Add(At(newScheduler.BackendPosition, oldScheduler.BackendPosition, "scheduler backend"));
        differences = found;
        return next with
        {
            Queue = newQueue with
            {
                Backend = oldQueue.Backend,
                BackendPosition = oldQueue.BackendPosition,
                Plug = oldQueue.Plug,
                Encryption = oldQueue.Encryption,
                EncryptionPosition = oldQueue.EncryptionPosition,
                EncryptionKey = oldQueue.EncryptionKey,
            },
            Scheduler = newScheduler with { Backend = oldScheduler.Backend, BackendPosition = oldScheduler.BackendPosition, Plug = oldScheduler.Plug },
        };
    }

    // A directive that was taken out has only its old place.
    private static string At(SourcePosition next, SourcePosition before, string what) =>
        next != SourcePosition.None ? $"{next}: {what}" : before != SourcePosition.None ? $"{before}: {what}" : what;
}
