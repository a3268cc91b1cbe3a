using Posthouse.Plugs;
using Posthouse.Server.Control;

namespace Posthouse.Tests.Control;

public sealed class QueueLineTests
{
    private static readonly Envelope s_envelope = new()
    {
        Id = new EnvelopeId(0x0123456789abcdef),
        Kind = EnvelopeKind.Mda,
        Action = "local",
        Sender = "a@b.org",
        Recipient = "c@d.org",
        Destination = "e@f.org",
        Client = "192.0.2.1",
        Size = 100,
        Created = 1000,
        Expires = 5000,
        LastTry = 1500,
        Tries = 2,
        Error = "mailbox busy",
    };

    [Fact]
    public void A_pending_envelope_counts_down() =>
        Assert.Equal(
            "0123456789abcdef|inet4|mda||a@b.org|c@d.org|e@f.org|1000|5000|1500|2|pending|40|mailbox busy",
            QueueLine.Format(s_envelope, "pending", 2040, 2000));

    [Fact]
    public void An_envelope_in_flight_counts_up() =>
        Assert.Equal(
            "0123456789abcdef|inet6|mta|auth,internal|@|c@d.org|e@f.org|1000|5000|1500|2|inflight|500|bad\\x0aline",
            QueueLine.Format(
                s_envelope with { Kind = EnvelopeKind.Mta, Client = "2001:db8::1", Sender = "", Flags = EnvelopeFlags.Authenticated | EnvelopeFlags.Internal, Error = "bad\nline" },
                "inflight", 0, 2000));

    [Theory]
    [InlineData("held", EnvelopeFlags.None, "|hold|", "|pending|")]
    [InlineData("suspended", EnvelopeFlags.Suspended | EnvelopeFlags.Bounce, "|bounce,suspend|", "|pending|")]
    [InlineData(null, EnvelopeFlags.None, "||", "|offline||")]
    public void States_are_flags_where_smtpctl_has_flags(string? state, EnvelopeFlags flags, string expectedFlags, string expectedState)
    {
        string line = QueueLine.Format(s_envelope with { Flags = flags, Client = "local" }, state, 2000, 2000);
        Assert.Contains($"|local|mda{expectedFlags}", line);
        Assert.Contains(expectedState, line);
    }
}
