using DnsClient;

namespace Posthouse.Server.Naming;

/// <summary>
/// Answers of the DNS until their time to live is over, a bounded number of them: a new one pushes out the oldest.
/// Thread-safe.
/// </summary>
internal sealed class AnswerCache(int capacity, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Question, Entry> _entries = [];
    private readonly Queue<(Question Question, long Number)> _order = new();
    private long _number;

    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    public object? Find(Question question)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(question, out Entry entry))
                return null;
            if (time.GetTimestamp() < entry.Until)
                return entry.Answer;
            _entries.Remove(question);
            return null;
        }
    }

    public void Keep(Question question, object answer, TimeSpan timeToLive)
    {
        if (timeToLive <= TimeSpan.Zero)
            return;
        long until = time.GetTimestamp() + (long)(timeToLive.TotalSeconds * time.TimestampFrequency);
        lock (_lock)
        {
            long number = ++_number;
            _entries[question] = new Entry(answer, until, number);
            _order.Enqueue((question, number));
            // What was replaced or ran out has left its place in the order behind.
            while (_order.Count > capacity)
            {
                (Question oldest, long oldNumber) = _order.Dequeue();
                if (_entries.TryGetValue(oldest, out Entry entry) && entry.Number == oldNumber)
                    _entries.Remove(oldest);
            }
        }
    }

    /// <summary>A name, in lower case, and a type.</summary>
    public readonly record struct Question(string Name, QueryType Type);

    private readonly record struct Entry(object Answer, long Until, long Number);
}
