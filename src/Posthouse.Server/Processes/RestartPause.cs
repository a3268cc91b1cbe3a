namespace Posthouse.Server.Processes;

/// <summary>
/// How long to wait before a process is started again: not at all, but ten times a second at the most; only starts that fail
/// make the wait double, from 100 ms to 30 s.
/// </summary>
public readonly record struct RestartPause(TimeSpan Length)
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    /// <summary>After a process that had started well and lived for so long.</summary>
    public static RestartPause After(TimeSpan life) => new(life < s_shortest ? s_shortest - life : TimeSpan.Zero);

    /// <summary>After this pause and a start that failed.</summary>
    public RestartPause AfterFailure() => new(Length < s_shortest ? s_shortest : Length * 2 > s_longest ? s_longest : Length * 2);
}
