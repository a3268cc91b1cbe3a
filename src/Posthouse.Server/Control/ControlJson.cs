using System.Text.Json.Serialization;
using Posthouse.Server.Filtering;

namespace Posthouse.Server.Control;

/// <summary>How requests and replies of the control socket are written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlReply))]
[JsonSerializable(typeof(FilterStatus))]
[JsonSerializable(typeof(System.Text.Json.JsonElement))]
public sealed partial class ControlJson : JsonSerializerContext;
