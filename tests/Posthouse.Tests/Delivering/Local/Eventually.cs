namespace Posthouse.Tests.Delivering.Local;

/// <summary>Waits, for a minute at most, for what other processes do.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (!condition())
        {
            Assert.False(deadline.IsCancellationRequested, $"not within 60 s: {what}");
            await poll.WaitForNextTickAsync();
        }
    }
}
