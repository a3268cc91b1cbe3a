using System.Threading.Channels;
using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering;

/// <summary>A delivery whose results a test decides.</summary>
internal sealed class ScriptedDelivery : IDelivery
{
    private readonly Channel<Envelope> _tried = Channel.CreateUnbounded<Envelope>();

    /// <summary>What a try ends with; by default it delivers.</summary>
    public Func<Envelope, CancellationToken, ValueTask<DeliveryResult>> Script { get; set; } = static (_, _) => new(DeliveryResult.Delivered());

    public int Tries;

    public async Task<Envelope> NextAsync()
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        return await _tried.Reader.ReadAsync(deadline.Token);
    }

    public ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation)
    {
        Interlocked.Increment(ref Tries);
        ValueTask<DeliveryResult> result = Script(envelope, cancellation);
        _tried.Writer.TryWrite(envelope);
        return result;
    }
}
