using Posthouse.Plugs;

namespace Posthouse.Server.Scheduling;

/// <summary>
/// When a failed envelope is tried again. The n-th try after the first comes base·n² seconds after the message was
/// accepted, so that the gap grows linearly: with a base of 400 s after 0:07, 0:27, 1:00, 1:47, 2:47, 4:00 hours.
/// </summary>
public static class RetryTimes
{
    /// <summary>The base of an envelope that found its hold queue full, in seconds.</summary>
    public const int OverflowBase = 3;

    /// <summary>The base of <paramref name="kind"/>, in seconds: 400 for relays, 10 for what stays on this machine.</summary>
    public static int Base(EnvelopeKind kind) => kind == EnvelopeKind.Mta ? 400 : 10;

    /// <summary>The time of try <paramref name="tries"/>, which may lie in the past (then it is due at once): the rule after a restart.</summary>
    public static long At(long created, int baseSeconds, int tries) => created + (long)baseSeconds * tries * tries;

    /// <summary>The first time of the series, from try <paramref name="tries"/> on, that is later than <paramref name="now"/>.</summary>
    public static long After(long now, long created, int baseSeconds, int tries)
    {
        long n = tries;
        if (now >= created)
            n = Math.Max(n, (long)Math.Sqrt((double)(now - created) / baseSeconds));
        while (created + baseSeconds * n * n <= now)
            n++;
        return created + baseSeconds * n * n;
    }
}
