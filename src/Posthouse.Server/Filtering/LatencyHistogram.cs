using System.Numerics;

namespace Posthouse.Server.Filtering;

/// <summary>How long things took, in buckets of which each is a quarter wider than the one before: quantiles of any number of measurements in a fixed space. Any thread.</summary>
internal sealed class LatencyHistogram
{
    private const int PerOctave = 4;
    private readonly long[] _buckets = new long[40 * PerOctave];

    internal void Add(TimeSpan time) => Interlocked.Increment(ref _buckets[Index((long)time.TotalMicroseconds)]);

    /// <summary>The time, in microseconds, within which this share (0 to 1) of all was done; zero when there was nothing.</summary>
    internal long Quantile(double share)
    {
        long all = 0;
        foreach (long count in _buckets) all += count;
        if (all == 0) return 0;
        long wanted = (long)Math.Ceiling(all * share);
        for (int i = 0; i < _buckets.Length; i++)
        {
            wanted -= _buckets[i];
            if (wanted <= 0) return Upper(i);
        }
        return Upper(_buckets.Length - 1);
    }

    private int Index(long microseconds)
    {
        if (microseconds < PerOctave) return (int)Math.Max(0, microseconds);
        int octave = BitOperations.Log2((ulong)microseconds);
        return Math.Min(_buckets.Length - 1, ((octave - 1) * PerOctave) + (int)((microseconds >> (octave - 2)) & (PerOctave - 1)));
    }

    private static long Upper(int index)
    {
        if (index < PerOctave) return index;
        int octave = (index / PerOctave) + 1;
        return (long)(PerOctave + (index % PerOctave) + 1) << (octave - 2);
    }
}
