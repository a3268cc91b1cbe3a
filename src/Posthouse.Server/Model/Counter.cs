namespace Posthouse.Server.Model;

/// <summary>A number that threads count up and down.</summary>
public sealed class Counter
{
    private long _value;

    /// <summary>The value now.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>Adds <paramref name="amount"/>, which may be negative; answers the new value.</summary>
    public long Add(long amount = 1) => Interlocked.Add(ref _value, amount);

    /// <summary>Sets a gauge.</summary>
    public void Set(long value) => Volatile.Write(ref _value, value);
}
