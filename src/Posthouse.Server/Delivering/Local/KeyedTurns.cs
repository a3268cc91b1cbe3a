namespace Posthouse.Server.Delivering.Local;

/// <summary>Lets one at a time work on a thing named by a key, so that those who wait for the same file wait here and not on a thread.</summary>
internal sealed class KeyedTurns
{
    private readonly Dictionary<string, Turn> _turns = new(StringComparer.Ordinal);

    internal async ValueTask<IDisposable> WaitAsync(string key, CancellationToken cancellation)
    {
        Turn? turn;
        lock (_turns)
        {
            if (!_turns.TryGetValue(key, out turn)) _turns.Add(key, turn = new(this, key));
            turn.Users++;
        }
        try
        {
            await turn.Gate.WaitAsync(cancellation);
            return turn;
        }
        catch
        {
            Leave(turn);
            throw;
        }
    }

    private void Leave(Turn turn)
    {
        lock (_turns)
            if (--turn.Users == 0) _turns.Remove(turn.Key);
    }

    private sealed class Turn(KeyedTurns all, string key) : IDisposable
    {
        internal string Key { get; } = key;

        internal SemaphoreSlim Gate { get; } = new(1);

        internal int Users;

        public void Dispose()
        {
            Gate.Release();
            all.Leave(this);
        }
    }
}
