using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

/// <summary>Delivery status notifications as the sender asked for them (RFC 3461).</summary>
public sealed record EnvelopeNotification
{
    /// <summary>NOTIFY (4.1): any of <c>success</c>, <c>failure</c>, <c>delay</c>, or <c>never</c> alone; null when not given.</summary>
    [JsonPropertyName("notify")] public string[]? Notify { get; init; }

    /// <summary>RET (4.3): <c>full</c> or <c>hdrs</c>.</summary>
    [JsonPropertyName("ret")] public string? Return { get; init; }

    /// <summary>ENVID (4.4), decoded from xtext.</summary>
    [JsonPropertyName("envid")] public string? EnvelopeIdentifier { get; init; }

    /// <summary>ORCPT (4.2) as <c>type;address</c>, the address decoded from xtext.</summary>
    [JsonPropertyName("orcpt")] public string? OriginalRecipient { get; init; }
}
