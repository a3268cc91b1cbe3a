using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Server.Queueing;

/// <summary>The stores that the server has itself, by the name that <c>queue backend</c> gives them. Each keeps its files in a directory of its name in the spool.</summary>
public static class QueueStores
{
    /// <summary>The store of a server whose configuration names none.</summary>
    public const string Default = "log";

    /// <summary>The stores that keep mail on disk.</summary>
    public static IReadOnlyList<string> OnDisk { get; } = ["log", "fs", "sqlite"];

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. OnDisk, "ram", "null"];

    /// <summary>The stores that <paramref name="spool"/> has files of.</summary>
    public static IReadOnlyList<string> Present(string spool) => [.. OnDisk.Where(name => Directory.Exists(Path.Combine(spool, name)))];

    /// <summary>Opens the store called <paramref name="name"/>, and warns of others that the spool has files of: their mail is not delivered.</summary>
    /// <exception cref="ArgumentException">There is no such store.</exception>
    /// <exception cref="IOException">Its directory cannot be used, or a newer server wrote it.</exception>
    /// <exception cref="UnauthorizedAccessException">Its directory belongs to somebody else.</exception>
    public static async Task<IQueue> OpenAsync(string name, string spool, TimeProvider time, ILogger logger)
    {
        foreach (string other in Present(spool))
        {
            if (other != name && Directory.EnumerateFileSystemEntries(Path.Combine(spool, other)).Any())
                QueueingLog.OtherStore(logger, other, name);
        }

        return await OpenAloneAsync(name, spool, time, logger);
    }

    internal static async Task<IQueue> OpenAloneAsync(string name, string spool, TimeProvider time, ILogger logger)
    {
        string directory = Path.Combine(spool, name);
        return name switch
        {
            "log" => await LogQueue.OpenAsync(directory, new LogQueueOptions(), time, logger),
            "fs" => FsQueue.Open(directory, time, logger),
            "sqlite" => SqliteQueue.Open(directory, logger),
            "ram" => new RamQueue(),
            "null" => new NullQueue(),
            _ => throw new ArgumentException($"there is no queue backend {name}", nameof(name)),
        };
    }
}
