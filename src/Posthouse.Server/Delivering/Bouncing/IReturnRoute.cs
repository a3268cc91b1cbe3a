using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>Finds the way of a notification back to the sender of the message it is about.</summary>
public interface IReturnRoute
{
    /// <summary>
    /// The envelopes that a notification to <paramref name="bounce"/>'s recipient gets, without ids, sizes and times but
    /// with their lifetime in <see cref="Envelope.Expires"/>; or why there is none.
    /// </summary>
    ValueTask<(Fault? Failure, IReadOnlyList<Envelope> Envelopes)> ResolveAsync(Envelope bounce, CancellationToken cancellation);
}
