using System.Text.Json;
using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(Envelope))]
internal sealed partial class EnvelopeJson : JsonSerializerContext;

internal sealed class EnvelopeIdConverter : JsonConverter<EnvelopeId>
{
    public override EnvelopeId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        EnvelopeId.TryParse(reader.GetString(), out EnvelopeId id) ? id : throw new JsonException("an envelope id is 16 hex digits");

    public override void Write(Utf8JsonWriter writer, EnvelopeId value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

internal sealed class EnvelopeFlagsConverter : JsonConverter<EnvelopeFlags>
{
    public override EnvelopeFlags Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        EnvelopeFlags flags = EnvelopeFlags.None;
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("flags are an array");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            flags |= reader.GetString() switch
            {
                "authenticated" => EnvelopeFlags.Authenticated,
                "internal" => EnvelopeFlags.Internal,
                "bounce" => EnvelopeFlags.Bounce,
                "suspended" => EnvelopeFlags.Suspended,
                _ => EnvelopeFlags.None,
            };
        }

        return flags;
    }

    public override void Write(Utf8JsonWriter writer, EnvelopeFlags value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        if (value.HasFlag(EnvelopeFlags.Authenticated)) writer.WriteStringValue("authenticated"u8);
        if (value.HasFlag(EnvelopeFlags.Internal)) writer.WriteStringValue("internal"u8);
        if (value.HasFlag(EnvelopeFlags.Bounce)) writer.WriteStringValue("bounce"u8);
        if (value.HasFlag(EnvelopeFlags.Suspended)) writer.WriteStringValue("suspended"u8);
        writer.WriteEndArray();
    }
}
