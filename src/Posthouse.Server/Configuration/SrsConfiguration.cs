namespace Posthouse.Server.Configuration;

/// <summary>Sender rewriting.</summary>
/// <param name="Key">The secret that new addresses are signed with.</param>
public sealed record SrsConfiguration(string Key)
{
    /// <summary>A former secret that still verifies; null: none.</summary>
    public string? BackupKey { get; init; }

    /// <summary>How long a rewritten address is good, whole days.</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromDays(4);

    /// <summary>Tells no secret.</summary>
    public override string ToString() => $"SrsConfiguration {{ Ttl = {Ttl} }}";
}
