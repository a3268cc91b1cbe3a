using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>One <c>action</c> statement: what happens to mail that a rule chose it for.</summary>
public abstract record DeliveryAction
{
    /// <summary>Its name, unique; envelopes carry it.</summary>
    public required string Name { get; init; }

    /// <summary>Where it stands.</summary>
    public SourcePosition Position { get; init; }

    /// <summary>How long its mail may stay in the queue; null: <see cref="QueueConfiguration.Ttl"/>.</summary>
    public TimeSpan? Ttl { get; init; }
}
