namespace Posthouse.Server.Filtering;

/// <summary>
/// The events of a session from which a filter that was started in the middle of it can know how it stands, as the lines that were said. What has been
/// superseded (an earlier HELO, a finished transaction) is forgotten, so it is bounded by the recipients of one message. Any thread may read it while the session goes on.
/// </summary>
internal sealed class SessionHistory
{
    private readonly Lock _lock = new();
    private readonly List<(FilterEvent What, byte[] Line)> _link = new(4);
    private readonly List<(FilterEvent What, byte[] Line)> _transaction = [];

    /// <summary>Whether an event is one of those.</summary>
    internal static bool Keeps(FilterEvent what) => what is <= FilterEvent.LinkAuth or (>= FilterEvent.TxBegin and <= FilterEvent.TxData);

    /// <summary>Adds an event if it is one of those, and answers whether it did.</summary>
    internal bool Add(FilterEvent what, byte[] line)
    {
        if (!Keeps(what)) return false;
        lock (_lock)
        {
            if (what >= FilterEvent.TxBegin)
            {
                _transaction.Add((what, line));
                return true;
            }
            // A failed AUTH changes nothing, and there may be many.
            if (what == FilterEvent.LinkAuth && line.AsSpan().IndexOf("|pass|"u8) < 0) return false;
            if (what is FilterEvent.LinkIdentify or FilterEvent.LinkTls) _link.RemoveAll(static entry => entry.What == FilterEvent.LinkIdentify);
            _link.Add((what, line));
            return true;
        }
    }

    internal void EndTransaction()
    {
        lock (_lock) _transaction.Clear();
    }

    /// <summary>Gives what there is, of the link or of the transaction, in order.</summary>
    internal void Visit(bool transaction, Action<FilterEvent, byte[]> visit)
    {
        lock (_lock)
        {
            foreach ((FilterEvent what, byte[] line) in transaction ? _transaction : _link) visit(what, line);
        }
    }
}
