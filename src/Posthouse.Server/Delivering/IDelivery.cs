using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering;

/// <summary>
/// One way in which envelopes of one kind leave: a local delivery, a relay, a bounce. The dispatcher calls it from many
/// tasks at once and acts on what it answers.
/// </summary>
public interface IDelivery
{
    /// <summary>
    /// Tries once to deliver. Delivered means that the message is on stable storage elsewhere, or that the next hop
    /// said 250. A failure is a value; an exception is a bug, which the dispatcher logs and takes for a temporary failure.
    /// An implementation keeps its own deadlines. When it observes <paramref name="cancellation"/> (the server stops) it
    /// throws <see cref="OperationCanceledException"/>, and the try does not count.
    /// </summary>
    ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation);
}
