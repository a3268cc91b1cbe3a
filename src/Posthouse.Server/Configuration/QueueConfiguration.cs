using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The queue.</summary>
public sealed record QueueConfiguration
{
    /// <summary>The source of the key meaning: ask for it at start, on the terminal or as the first line of standard input.</summary>
    public const string KeyFromStandardInput = "stdin";

    /// <summary><c>log</c>, <c>fs</c>, <c>sqlite</c>, <c>ram</c>, <c>null</c>, or <c>proc-exec</c> for <see cref="Plug"/>.</summary>
    public string Backend { get; init; } = "log";

    /// <summary>Where the backend is named; <see cref="SourcePosition.None"/> where it is the default.</summary>
    public SourcePosition BackendPosition { get; init; } = SourcePosition.None;

    /// <summary>The program of <c>queue backend proc-exec</c>; null otherwise.</summary>
    public PlugCommand? Plug { get; init; }

    /// <summary>Whether messages are compressed.</summary>
    public bool Compression { get; init; }

    /// <summary>Whether messages are encrypted.</summary>
    public bool Encryption { get; init; }

    /// <summary>Where encryption is asked for; <see cref="SourcePosition.None"/> without it.</summary>
    public SourcePosition EncryptionPosition { get; init; } = SourcePosition.None;

    /// <summary>The key, 32 bytes in UTF-8, or <see cref="KeyFromStandardInput"/>; null without encryption.</summary>
    public string? EncryptionKey { get; init; }

    /// <summary>How long undeliverable mail stays.</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromDays(4);

    /// <summary>Tells no secret.</summary>
    public override string ToString() => $"QueueConfiguration {{ Backend = {Backend}, Compression = {Compression}, Encryption = {Encryption}, Ttl = {Ttl} }}";
}
