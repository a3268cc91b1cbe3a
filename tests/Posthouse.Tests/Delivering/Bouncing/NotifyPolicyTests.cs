using Posthouse.Plugs;
using Posthouse.Server.Delivering.Bouncing;

namespace Posthouse.Tests.Delivering.Bouncing;

public class NotifyPolicyTests
{
    [Theory]
    [InlineData("", "failed,delayed")]
    [InlineData("never", "")]
    [InlineData("failure", "failed")]
    [InlineData("delay", "delayed")]
    [InlineData("success", "delivered,relayed")]
    [InlineData("success,failure", "failed,delivered,relayed")]
    [InlineData("SUCCESS,FAILURE,DELAY", "failed,delayed,delivered,relayed")]
    public void Only_what_was_asked_for_is_told(string notify, string told)
    {
        Envelope envelope = New("sender@example.org") with { Notification = new() { Notify = notify.Length == 0 ? null : notify.Split(',') } };
        Assert.Equal(told, Told(envelope));
        Assert.Equal("", Told(envelope with { Sender = "" }));
        Assert.Equal("", Told(envelope with { Kind = EnvelopeKind.Bounce }));
        Assert.Equal("", Told(envelope with { Flags = EnvelopeFlags.Bounce }));
    }

    [Fact]
    public void Without_dsn_failures_and_delays_are_told() => Assert.Equal("failed,delayed", Told(New("sender@example.org")));

    private static string Told(Envelope envelope) =>
        string.Join(',', ((string[])[BounceType.Failed, BounceType.Delayed, BounceType.Delivered, BounceType.Relayed]).Where(type => NotifyPolicy.IsWanted(envelope, type)));

    private static Envelope New(string sender) => new()
    {
        Id = new(0x100000001),
        Kind = EnvelopeKind.Mda,
        Action = "local",
        Sender = sender,
        Recipient = "user@example.org",
        Destination = "user@example.org",
        Size = 1,
        Created = 1,
        Expires = 2,
    };
}
