namespace Posthouse.Server.Queueing;

/// <summary>How the queue keeps mail, whatever the store: the <c>queue</c> directives of the configuration.</summary>
public sealed record MailQueueOptions
{
    /// <summary>Whether bodies are compressed (<c>queue compression</c>). Bodies written before are read all the same.</summary>
    public bool Compression { get; init; }

    /// <summary>The key of <c>queue encryption</c>, exactly 32 bytes; null for no encryption. Mail written before is read all the same.</summary>
    public byte[]? EncryptionKey { get; init; }

    /// <summary>How long delivery of a message is tried (<c>queue ttl</c>); 4 days unless configured.</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromDays(4);

    /// <summary>Names this server among those that share a store; empty when nothing is shared.</summary>
    public string NodeId { get; init; } = "";

    /// <summary>Tells no secret.</summary>
    public override string ToString() =>
        $"MailQueueOptions {{ Compression = {Compression}, Encryption = {EncryptionKey is not null}, TimeToLive = {TimeToLive}, NodeId = {NodeId} }}";
}
