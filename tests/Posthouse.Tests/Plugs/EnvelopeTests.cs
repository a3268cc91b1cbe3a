using System.Text;
using CsCheck;
using Posthouse.Plugs;

namespace Posthouse.Tests.Plugs;

public class EnvelopeTests
{
    private static readonly Envelope s_sample = new()
    {
        Id = new(0x0123456789abcdef),
        Kind = EnvelopeKind.Mda,
        Action = "local",
        Sender = "",
        Recipient = "ünï@example.org",
        Destination = "user@example.org",
        Size = 5000,
        Created = 1_700_000_000,
        Expires = 1_700_345_600,
        Flags = EnvelopeFlags.Internal | EnvelopeFlags.Suspended,
        Error = "550 5.1.1 \"no\"\nsuch user",
    };

    [Fact]
    public void An_envelope_survives_its_json()
    {
        byte[] json = s_sample.ToJson();
        Assert.DoesNotContain((byte)'\n', json);
        Assert.Equal(json, Envelope.Parse(json).ToJson());
        Assert.Equal(s_sample, Envelope.Parse(json));
    }

    [Fact]
    public void Unknown_fields_are_kept()
    {
        string json = Encoding.UTF8.GetString(s_sample.ToJson())[..^1] + ",\"later\":{\"a\":[1]}}";
        Assert.Contains("\"later\":{\"a\":[1]}", Encoding.UTF8.GetString(Envelope.Parse(Encoding.UTF8.GetBytes(json)).ToJson()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"id\":\"xyz\"}")]
    public void What_is_no_envelope_is_refused(string json) =>
        Assert.Throws<System.Text.Json.JsonException>(() => Envelope.Parse(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Ids_survive_their_text() => Gen.ULong.Sample(value =>
    {
        bool valid = value >> 32 != 0 && (uint)value != 0;
        Assert.Equal(valid, EnvelopeId.TryParse(new EnvelopeId(value).ToString(), out EnvelopeId id));
        Assert.True(!valid || id.Value == value);
    });
}
