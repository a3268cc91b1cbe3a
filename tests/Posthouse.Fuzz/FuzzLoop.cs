using System.Diagnostics;

namespace Posthouse.Fuzz;

/// <summary>
/// Feeds a target with its corpus, and then with mutations of it and of what the parser took meanwhile, which stands in for coverage: an input that
/// is taken leads deeper than one that is refused at once.
/// </summary>
public sealed class FuzzLoop(FuzzTarget target, IReadOnlyList<byte[]> corpus, int seed)
{
    private const int MaxPool = 2000;
    private const int MaxShrinks = 3000;

    private readonly Random _random = new(seed);
    private readonly List<byte[]> _pool = [.. corpus];

    /// <summary>Inputs run so far.</summary>
    public long Count { get; private set; }

    /// <summary>Inputs that the parser took.</summary>
    public long Taken { get; private set; }

    /// <summary>What runs now, for a watch that finds it running too long.</summary>
    public byte[] Current { get; private set; } = [];

    /// <summary>Runs until <paramref name="maxCount"/> mutations or <paramref name="maxTime"/>; null when nothing was found.</summary>
    public FuzzFailure? Run(long maxCount, TimeSpan maxTime)
    {
        foreach (byte[] input in corpus)
        {
            if (Try(input) is { } failure)
                return failure;
        }

        var mutator = new Mutator(_random, target.Words);
        var watch = Stopwatch.StartNew();
        for (long i = 0; i < maxCount && watch.Elapsed < maxTime; i++)
        {
            if (Try(mutator.Next(corpus, _pool)) is { } failure)
                return failure;
        }

        return null;
    }

    private FuzzFailure? Try(byte[] input)
    {
        Count++;
        if (Attempt(input, out bool taken) is { } exception)
            return Shrink(input, exception);
        if (taken)
        {
            Taken++;
            Keep(input);
        }

        return null;
    }

    private Exception? Attempt(byte[] input, out bool taken)
    {
        taken = false;
        Current = input;
        try
        {
            taken = target.Run(input);
            return null;
        }
        catch (Exception e)
        {
            // Whatever it is, it is what we are looking for.
            return e;
        }
    }

    // The corpus stays; of what was found a random part does.
    private void Keep(byte[] input)
    {
        if (_pool.Count < corpus.Count + MaxPool)
            _pool.Add(input);
        else
            _pool[corpus.Count + _random.Next(MaxPool)] = input;
    }

    // Leaves out ever smaller pieces as long as it fails in the same way.
    private FuzzFailure Shrink(byte[] input, Exception exception)
    {
        int tries = 0;
        for (int size = Math.Max(1, input.Length / 2); size > 0; size /= 2)
        {
            for (int at = 0; at + size <= input.Length && tries < MaxShrinks; tries++)
            {
                byte[] shorter = [.. input[..at], .. input[(at + size)..]];
                if (Attempt(shorter, out _) is { } same && same.GetType() == exception.GetType())
                    (input, exception) = (shorter, same);
                else
                    at += size;
            }
        }

        return new(target, input, exception);
    }
}
