using Microsoft.Extensions.Logging;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// What process 1 of a container owes the others: a process whose parent ends becomes its child, and stays a zombie until it
/// is waited for. Children that the server started itself are left to those who wait for them.
/// </summary>
public static class OrphanReaper
{
    private const int GetChildSubreaper = 37;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);

    /// <summary>Whether orphans become children of this process: it is process 1, or a subreaper (prctl(2)).</summary>
    public static unsafe bool IsNeeded
    {
        get
        {
            int isSubreaper = 0;
            return Environment.ProcessId == 1 || (Libc.prctl(GetChildSubreaper, (nuint)(&isSubreaper), 0, 0, 0) == 0 && isSubreaper != 0);
        }
    }

    /// <summary>Waits for orphans every two seconds until cancelled; returns at once when none can come.</summary>
    public static async Task RunAsync(TimeProvider time, ILogger logger, CancellationToken cancellation)
    {
        if (!IsNeeded) return;
        using PeriodicTimer timer = new(s_interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation))
                if (OwnChildren.ReapInherited() is > 0 and int count) ProcessesLog.OrphansReaped(logger, count);
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }
}
