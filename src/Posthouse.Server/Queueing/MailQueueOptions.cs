namespace Posthouse.Server.Queueing;

/// <summary>How the queue keeps mail, whatever the store: the <c>queue</c> directives of the configuration.</summary>
public sealed record MailQueueOptions
{
    /// <summary>How long delivery of a message is tried (<c>queue ttl</c>); 4 days unless configured.</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromDays(4);

    /// <summary>Names this server among those that share a store; empty when nothing is shared.</summary>
    public string NodeId { get; init; } = "";
}
