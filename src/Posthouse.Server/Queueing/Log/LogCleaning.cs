using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Queueing.Log;

/// <summary>Removing files that nothing refers to.</summary>
internal static class LogCleaning
{
    /// <summary>Deletes a file; if it cannot be, the log says so and the next start tries again.</summary>
    public static bool TryDelete(ILogFiles files, string path, ILogger logger)
    {
        try
        {
            files.Delete(path);
            return true;
        }
        catch (IOException e)
        {
            LogQueueLog.NotRemoved(logger, path, e.Message);
            return false;
        }
    }
}
