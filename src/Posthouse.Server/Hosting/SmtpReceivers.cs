using Posthouse.Server.Receiving;

namespace Posthouse.Server.Hosting;

/// <summary>What serves the sessions of several configurations, to be ended as one.</summary>
internal sealed class SmtpReceivers(IEnumerable<Serving> servings)
{
    private readonly SmtpReceiver[] _receivers = [.. servings.SelectMany(static serving => serving.Doors).Select(static door => door.Receiver).Distinct()];

    /// <summary>Sessions open now.</summary>
    public int Open => _receivers.Sum(static receiver => receiver.Open);

    /// <summary>Ends all sessions, as <see cref="SmtpReceiver.StopAsync"/> does.</summary>
    public Task StopAsync(TimeSpan limit) => Task.WhenAll(_receivers.Select(receiver => receiver.StopAsync(limit)));
}
