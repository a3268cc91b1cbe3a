using System.Text;
using System.Text.Json;
using Posthouse.Plugs;
using Posthouse.Server.Queueing;

namespace Posthouse.Fuzz.Targets;

/// <summary>An envelope as a store, a plug or an administrator's editor gives it.</summary>
public sealed class EnvelopeTarget : IFuzzTarget
{
    // The last moment of the year 9999, which is the last that dates can show.
    private const long LastTime = 253402300799;

    public static string Name => "envelope";

    public static IReadOnlyList<string> Words { get; } =
    [
        "null", "true", "1", "-1", "1e5", "1.5", "\"\"", "[]", "{}", "[null]", "\"mda\"", "\"mta\"", "\"bounce\"", "\"suspended\"", "\"\\ud800\"", "\"\\u0000\"", "\"\\n\"", "\"id\":", "\"kind\":", "\"action\":",
        "\"sender\":", "\"recipient\":", "\"destination\":", "\"flags\":", "\"size\":", "\"created\":", "\"expires\":", "\"tries\":", "\"nextTry\":", "\"dsn\":", "\"notify\":", "\"bounce\":{\"type\":\"failed\",\"of\":[",
        "\"sealed\":", "\"unknown\":", "\"\\ud800\":1", ",", ":", "9999999999999",
    ];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        Envelope envelope;
        try
        {
            envelope = Envelope.Parse(input);
        }
        catch (JsonException)
        {
            return false;
        }

        CheckValues(envelope);
        if (System.Text.Unicode.Utf8.IsValid(input))
            CheckFields(envelope, input);
        byte[] json = envelope.ToJson();
        MismatchException.ThrowUnless(!json.Any(b => b < 32), "a control byte was written");
        Envelope again = Envelope.Parse(json);
        MismatchException.ThrowUnlessSame(Encoding.UTF8.GetString(json), Encoding.UTF8.GetString(again.ToJson()), "read and written again");
        (_, Envelope? opened) = new EnvelopeCodec(null).Parse(new StoredEnvelope(envelope.Id, json));
        MismatchException.ThrowUnlessSame(!EnvelopeCodec.IsSealed(envelope), opened is not null, "whether it opens without a key");
        Envelope suspended = Envelope.Parse(EnvelopeCodec.WithSuspension(json, suspended: true));
        MismatchException.ThrowUnlessSame(envelope.Flags | EnvelopeFlags.Suspended, suspended.Flags, "the flags of the suspended one");
        return true;
    }

    private static void CheckValues(Envelope envelope)
    {
        string?[] required = [envelope.Action, envelope.Sender, envelope.Recipient, envelope.Destination];
        MismatchException.ThrowUnless(required.All(text => text is not null), "a required text is null");
        MismatchException.ThrowUnless(envelope.Notification?.Notify?.All(word => word is not null) != false, "a word of NOTIFY is null");
        MismatchException.ThrowUnless(envelope.Bounce is null or { Type: not null, Of: not null }, "a bounce lacks something");
        BounceReport[] reports = envelope.Bounce?.Of ?? [];
        MismatchException.ThrowUnless(reports.All(report => report is { Recipient: not null }), "a report lacks something");
        MismatchException.ThrowUnless(envelope is { Size: >= 0, Tries: >= 0 } && Enum.IsDefined(envelope.Kind), "a value is out of range");
        long[] times =
        [
            envelope.Created, envelope.Expires, envelope.LastTry, envelope.NextTry, envelope.LastBounce,
            .. reports.SelectMany(report => (long[])[report.Arrived, report.LastTry, report.Expires]),
        ];
        MismatchException.ThrowUnless(times.All(time => time is >= 0 and <= LastTime), "a time is none");
    }

    // Against another reader of JSON; of a field given twice the last counts.
    private static void CheckFields(Envelope envelope, ReadOnlySpan<byte> input)
    {
        using JsonDocument document = JsonDocument.Parse(input.ToArray());
        var fields = new Dictionary<string, JsonElement>();
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
            fields[property.Name] = property.Value;
        MismatchException.ThrowUnlessSame(fields["id"].GetString()!.ToLowerInvariant(), envelope.Id.ToString(), "id");
        (string, string?)[] texts =
        [
            ("action", envelope.Action), ("sender", envelope.Sender), ("recipient", envelope.Recipient), ("destination", envelope.Destination), ("user", envelope.User),
            ("session", envelope.Session), ("rule", envelope.Rule), ("error", envelope.Error), ("status", envelope.Status), ("tag", envelope.Tag), ("helo", envelope.Helo),
        ];
        foreach ((string name, string? value) in texts)
            MismatchException.ThrowUnlessSame(fields.TryGetValue(name, out JsonElement field) ? field.GetString() : null, value, name);
        (string, long)[] numbers = [("size", envelope.Size), ("created", envelope.Created), ("expires", envelope.Expires), ("tries", envelope.Tries), ("nextTry", envelope.NextTry)];
        foreach ((string name, long value) in numbers)
            MismatchException.ThrowUnlessSame(fields.TryGetValue(name, out JsonElement field) ? field.GetInt64() : 0, value, name);
    }
}
