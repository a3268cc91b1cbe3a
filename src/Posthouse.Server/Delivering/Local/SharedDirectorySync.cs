using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Syncs directories for several deliveries at once. A sync covers every change made before it began; so whoever comes
/// while one runs waits for the next, which then serves all who came meanwhile. A busy mailbox pays for a few syncs instead of one per message.
/// </summary>
internal static class SharedDirectorySync
{
    private static readonly Dictionary<string, Round> s_rounds = new(StringComparer.Ordinal);

    /// <summary>Puts what was changed in a directory before this call on stable storage; 0 or an error number.</summary>
    internal static int Sync(string path)
    {
        Round? round;
        lock (s_rounds)
        {
            if (!s_rounds.TryGetValue(path, out round)) s_rounds.Add(path, round = new());
            round.Users++;
        }
        try
        {
            return round.Sync(path);
        }
        finally
        {
            lock (s_rounds)
                if (--round.Users == 0) s_rounds.Remove(path);
        }
    }

    private sealed class Round
    {
        private long _begun;
        private long _ended;
        private int _error;
        private bool _running;

        internal int Users;

        internal int Sync(string path)
        {
            lock (this)
            {
                // The one that runs may have begun before our change; only one that begins from now on counts.
                long needed = _begun + 1;
                while (_ended < needed)
                {
                    if (_running)
                    {
                        Monitor.Wait(this);
                        continue;
                    }
                    _running = true;
                    _begun++;
                    Monitor.Exit(this);
                    int error;
                    try
                    {
                        error = FileDescriptor.SyncDirectory(path);
                    }
                    finally
                    {
                        Monitor.Enter(this);
                    }
                    _running = false;
                    _ended = _begun;
                    _error = error;
                    Monitor.PulseAll(this);
                    return error;
                }
                return _error;
            }
        }
    }
}
