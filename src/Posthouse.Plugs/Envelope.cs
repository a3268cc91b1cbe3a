using System.Text.Json;
using System.Text.Json.Serialization;

namespace Posthouse.Plugs;

/// <summary>
/// One recipient of a message and all that is known about the way there. Immutable; stored as one JSON object
/// whose fields docs/protocols/queue.md describes. Unknown fields are kept. Times are seconds since 1970.
/// </summary>
public sealed record Envelope
{
    // The end of the year 9999, which is as far as dates go.
    private const long LastTime = 253402300799;

    /// <summary>Version of this format.</summary>
    [JsonPropertyName("v"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] public int Version { get; init; } = 1;

    /// <summary>The envelope's id; its first half names the message.</summary>
    [JsonPropertyName("id"), JsonIgnore(Condition = JsonIgnoreCondition.Never), JsonConverter(typeof(EnvelopeIdConverter))] public required EnvelopeId Id { get; init; }

    /// <summary>The SMTP session that brought it, 16 hex digits.</summary>
    [JsonPropertyName("session")] public string? Session { get; init; }

    /// <summary>How it leaves.</summary>
    [JsonPropertyName("kind"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] public required EnvelopeKind Kind { get; init; }

    /// <summary>The action of the configuration, by name.</summary>
    [JsonPropertyName("action")] public required string Action { get; init; }

    /// <summary>The rule that chose the action, as file:line.</summary>
    [JsonPropertyName("rule")] public string? Rule { get; init; }

    /// <summary>Envelope sender; empty is the null sender.</summary>
    [JsonPropertyName("sender")] public required string Sender { get; init; }

    /// <summary>The recipient as the client gave it.</summary>
    [JsonPropertyName("recipient")] public required string Recipient { get; init; }

    /// <summary>The address after expansion.</summary>
    [JsonPropertyName("destination")] public required string Destination { get; init; }

    /// <summary>The local user to deliver as.</summary>
    [JsonPropertyName("user")] public string? User { get; init; }

    /// <summary>The sub-address (what stands behind the delimiter in the local part).</summary>
    [JsonPropertyName("extension")] public string? Extension { get; init; }

    /// <summary>Where a pipe or file came from: <c>alias:KEY:INDEX</c> or <c>forward:USER:INDEX</c>. Never the command itself.</summary>
    [JsonPropertyName("source")] public string? Source { get; init; }

    /// <summary>Address of the client.</summary>
    [JsonPropertyName("client")] public string? Client { get; init; }

    /// <summary>The HELO name that the client gave.</summary>
    [JsonPropertyName("helo")] public string? Helo { get; init; }

    /// <summary>The client's reverse name.</summary>
    [JsonPropertyName("rdns")] public string? ReverseName { get; init; }

    /// <summary>The user that the client authenticated as.</summary>
    [JsonPropertyName("auth")] public string? Auth { get; init; }

    /// <summary>The listener's tag.</summary>
    [JsonPropertyName("tag")] public string? Tag { get; init; }

    /// <summary>The server name of the session.</summary>
    [JsonPropertyName("smtpname")] public string? ServerName { get; init; }

    /// <summary>What is special about it.</summary>
    [JsonPropertyName("flags"), JsonConverter(typeof(EnvelopeFlagsConverter))] public EnvelopeFlags Flags { get; init; }

    /// <summary>Size of the message in bytes.</summary>
    [JsonPropertyName("size"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] public required long Size { get; init; }

    /// <summary>When it was accepted.</summary>
    [JsonPropertyName("created"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] public required long Created { get; init; }

    /// <summary>When it is given up.</summary>
    [JsonPropertyName("expires"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] public required long Expires { get; init; }

    /// <summary>How often delivery was tried.</summary>
    [JsonPropertyName("tries")] public int Tries { get; init; }

    /// <summary>When it was tried last; 0 if never.</summary>
    [JsonPropertyName("lastTry")] public long LastTry { get; init; }

    /// <summary>When it is to be tried next; 0 leaves that to the scheduler.</summary>
    [JsonPropertyName("nextTry")] public long NextTry { get; init; }

    /// <summary>When its sender was last told of a delay; 0 if never.</summary>
    [JsonPropertyName("lastBounce")] public long LastBounce { get; init; }

    /// <summary>Enhanced status code of the last try.</summary>
    [JsonPropertyName("status")] public string? Status { get; init; }

    /// <summary>Error text of the last try.</summary>
    [JsonPropertyName("error")] public string? Error { get; init; }

    /// <summary>What the sender asked to be notified of (RFC 3461).</summary>
    [JsonPropertyName("dsn")] public EnvelopeNotification? Notification { get; init; }

    /// <summary>For a bounce, what it reports.</summary>
    [JsonPropertyName("bounce")] public EnvelopeBounce? Bounce { get; init; }

    /// <summary>Fields that this version does not know, kept as they came. Settable only because the generated reader needs it.</summary>
    [JsonExtensionData] public Dictionary<string, JsonElement>? Unknown { get; set; }

    /// <summary>The envelope as one JSON object in UTF-8, without line ends.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, EnvelopeJson.Default.Envelope);

    /// <summary>Reads an envelope.</summary>
    /// <exception cref="JsonException">
    /// It is not a JSON object with the required fields, its id or kind is malformed, a number is negative, a time is beyond the year 9999, or a list holds null.
    /// </exception>
    public static Envelope Parse(ReadOnlySpan<byte> json)
    {
        Envelope envelope = JsonSerializer.Deserialize(json, EnvelopeJson.Default.Envelope) ?? throw new JsonException("null is not an envelope");
        return envelope.FindFault() is { } fault ? throw new JsonException(fault) : envelope;
    }

    // What the types do not say. Stores and plugs are outside, and whoever shows a time or counts on should not have to ask.
    private string? FindFault()
    {
        if (!Enum.IsDefined(Kind))
            return "the kind is unknown";
        if (Size < 0 || Tries < 0)
            return "a number is negative";
        if (!IsTime(Created) || !IsTime(Expires) || !IsTime(LastTry) || !IsTime(NextTry) || !IsTime(LastBounce))
            return "a time is none";
        if (Notification?.Notify is { } words && Array.IndexOf(words, null) >= 0)
            return "notify holds null";
        foreach (BounceReport? report in Bounce?.Of ?? [])
        {
            if (report is null || !IsTime(report.Arrived) || !IsTime(report.LastTry) || !IsTime(report.Expires))
                return "the bounce has a report that is null, or a time in it is none";
        }

        return null;
    }

    private static bool IsTime(long seconds) => seconds is >= 0 and <= LastTime;
}
