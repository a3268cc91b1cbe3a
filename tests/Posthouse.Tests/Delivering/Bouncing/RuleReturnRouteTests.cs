using System.Collections.Frozen;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Model;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;
using Posthouse.Tests.Rules;

namespace Posthouse.Tests.Delivering.Bouncing;

/// <summary>A site with the local user joe at example.org that relays everything else.</summary>
public class RuleReturnRouteTests
{
    private static readonly TableDefinition s_users = new("users", TableKind.Mapping, TableSource.Inline) { Entries = [new("joe", "1000:1000:/home/joe")] };
    private static readonly TableDefinition s_domains = new("domains", TableKind.List, TableSource.Inline) { Entries = [new("example.org")] };

    [Fact]
    public async Task A_local_sender_gets_an_envelope_for_its_mailbox()
    {
        (Fault? failure, IReadOnlyList<Envelope> envelopes) = await ResolveAsync("joe@example.org");
        Assert.Null(failure);
        Envelope envelope = Assert.Single(envelopes);
        Assert.Equal((EnvelopeKind.Mda, "local", "joe", "", 7200), (envelope.Kind, envelope.Action, envelope.User, envelope.Sender, envelope.Expires));
    }

    [Theory]
    [InlineData("nobody@example.org", true, "")]
    [InlineData("somebody@elsewhere.example", false, "4.3.5")]
    [InlineData("not an address", true, "5.1.7")]
    public async Task A_sender_without_a_way_back_is_a_failure(string sender, bool isPermanent, string status)
    {
        (Fault? failure, IReadOnlyList<Envelope> envelopes) = await ResolveAsync(sender);
        Assert.Empty(envelopes);
        Assert.Equal(isPermanent, failure!.IsPermanent);
        Assert.StartsWith(status, failure.Status.ToString(), StringComparison.Ordinal);
    }

    private static async Task<(Fault?, IReadOnlyList<Envelope>)> ResolveAsync(string sender)
    {
        LocalAction local = new() { Name = "local", Method = new LocalMethod.Maildir(), Userbase = s_users, Ttl = TimeSpan.FromHours(2) };
        RelayAction relay = new() { Name = "relay" };
        ServerConfiguration configuration = new()
        {
            Actions = new DeliveryAction[] { local, relay }.ToFrozenDictionary(static action => action.Name),
            Rules = [new([new(MatchSubject.ForDomain, s_domains)], local) { Position = new("c", 1) }, new([], relay) { Position = new("c", 2) }],
            Tables = new[] { s_users, s_domains }.ToFrozenDictionary(static table => table.Name),
        };
        await using TableSet tables = await TableSet.OpenAsync(configuration.Tables.Values, new(), CancellationToken.None);
        RecipientResolver resolver = new(configuration, tables, new FakePrivileges());
        Envelope bounce = new()
        {
            Id = new(0x100000001),
            Kind = EnvelopeKind.Bounce,
            Action = "",
            Sender = "",
            Recipient = sender,
            Destination = sender,
            Size = 1,
            Created = 1,
            Expires = 2,
        };
        return await new RuleReturnRoute(() => resolver, "mx.example.org").ResolveAsync(bounce, CancellationToken.None);
    }
}
