using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

/// <summary>One recipient's part of a delivery status notification (RFC 3464 section 2.3), kept inside the bounce's envelope.</summary>
public sealed record BounceReport
{
    /// <summary>Id of the envelope reported on, 16 hex digits.</summary>
    [JsonPropertyName("id")] public string? Id { get; init; }

    /// <summary>The recipient as the client gave it.</summary>
    [JsonPropertyName("recipient")] public required string Recipient { get; init; }

    /// <summary>The address after expansion.</summary>
    [JsonPropertyName("destination")] public string? Destination { get; init; }

    /// <summary>ORCPT as <c>type;address</c>.</summary>
    [JsonPropertyName("orcpt")] public string? OriginalRecipient { get; init; }

    /// <summary>Enhanced status code, <c>5.1.1</c>.</summary>
    [JsonPropertyName("status")] public string? Status { get; init; }

    /// <summary>What went wrong, or the last answer of the next hop.</summary>
    [JsonPropertyName("error")] public string? Error { get; init; }

    /// <summary>The host that gave the answer.</summary>
    [JsonPropertyName("remote")] public string? Remote { get; init; }

    /// <summary>When the message was accepted, seconds since 1970; 0 if unknown.</summary>
    [JsonPropertyName("arrived")] public long Arrived { get; init; }

    /// <summary>When it was tried last, seconds since 1970; 0 if never.</summary>
    [JsonPropertyName("lastTry")] public long LastTry { get; init; }

    /// <summary>Until when it is tried, seconds since 1970, in a delay notice.</summary>
    [JsonPropertyName("expires")] public long Expires { get; init; }
}
