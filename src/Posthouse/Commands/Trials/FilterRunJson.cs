using System.Text.Json.Serialization;

namespace Posthouse.Commands.Trials;

/// <summary>How <see cref="FilterRunResult"/> is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FilterRunResult))]
internal sealed partial class FilterRunJson : JsonSerializerContext;
