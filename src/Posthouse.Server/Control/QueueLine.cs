using System.Globalization;
using System.Text;
using Posthouse.Plugs;

namespace Posthouse.Server.Control;

/// <summary>An envelope as a line of <c>show queue</c>, field for field as smtpctl prints it.</summary>
public static class QueueLine
{
    /// <summary>
    /// <c>evpid|inet4, inet6, local or ?|mta, mda or bounce|flags|sender|recipient|destination|created|expires|last try|tries|state|seconds|error</c>.
    /// The seconds are those until the next try of a pending envelope, or since the try of one in flight; <paramref name="state"/> is as in
    /// <see cref="ControlReply.State"/>, <paramref name="nextTry"/> and <paramref name="now"/> are seconds since 1970.
    /// </summary>
    public static string Format(Envelope envelope, string? state, long nextTry, long now)
    {
        string flags = string.Join(',', Flags(envelope, state));
        string run = state switch
        {
            null => "offline|",
            "inflight" => string.Create(CultureInfo.InvariantCulture, $"inflight|{now - envelope.LastTry}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"pending|{nextTry - now}"),
        };
        string kind = envelope.Kind switch { EnvelopeKind.Mda => "mda", EnvelopeKind.Mta => "mta", _ => "bounce" };
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{envelope.Id}|{Family(envelope.Client)}|{kind}|{flags}|{Address(envelope.Sender)}|{Address(envelope.Recipient)}|{Address(envelope.Destination)}|{envelope.Created}|{envelope.Expires}|{envelope.LastTry}|{envelope.Tries}|{run}|{Visible(envelope.Error)}");
    }

    private static IEnumerable<string> Flags(Envelope envelope, string? state)
    {
        if (envelope.Flags.HasFlag(EnvelopeFlags.Bounce))
            yield return "bounce";
        if (envelope.Flags.HasFlag(EnvelopeFlags.Authenticated))
            yield return "auth";
        if (envelope.Flags.HasFlag(EnvelopeFlags.Internal))
            yield return "internal";
        if (envelope.Flags.HasFlag(EnvelopeFlags.Suspended) || state == "suspended")
            yield return "suspend";
        if (state == "held")
            yield return "hold";
    }

    private static string Family(string? client) =>
        client is null ? "?"
        : client == "local" ? "local"
        : client.Contains(':', StringComparison.Ordinal) ? "inet6"
        : client.Contains('.', StringComparison.Ordinal) ? "inet4"
        : "?";

    private static string Address(string address) => address.Length == 0 ? "@" : Visible(address);

    /// <summary>Control characters as <c>\xNN</c>: a terminal prints this.</summary>
    public static string Visible(string? text)
    {
        if (string.IsNullOrEmpty(text) || !text.Any(char.IsControl))
            return text ?? "";
        StringBuilder visible = new(text.Length + 8);
        foreach (char character in text)
        {
            if (char.IsControl(character))
                visible.Append(CultureInfo.InvariantCulture, $"\\x{(int)character:x2}");
            else
                visible.Append(character);
        }
        return visible.ToString();
    }
}
