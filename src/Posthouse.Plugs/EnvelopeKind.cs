using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

/// <summary>How an envelope leaves the server.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<EnvelopeKind>))]
public enum EnvelopeKind
{
    /// <summary>By local delivery.</summary>
    [JsonStringEnumMemberName("mda")] Mda,

    /// <summary>By relay to another host.</summary>
    [JsonStringEnumMemberName("mta")] Mta,

    /// <summary>As a delivery status notification to its sender.</summary>
    [JsonStringEnumMemberName("bounce")] Bounce,
}
