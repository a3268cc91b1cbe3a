using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

/// <summary>What a bounce envelope reports.</summary>
public sealed record EnvelopeBounce
{
    /// <summary><c>failed</c>, <c>delayed</c>, <c>delivered</c> or <c>relayed</c>.</summary>
    [JsonPropertyName("type")] public required string Type { get; init; }

    /// <summary>The recipients reported on.</summary>
    [JsonPropertyName("of")] public required BounceReport[] Of { get; init; }
}
