using System.Collections.Immutable;
using System.Net;
using Posthouse.Server.Configuration;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Tests.Rules;

public sealed class RuleSetTests
{
    private static readonly TableDefinition s_broken = new("broken", TableKind.Dynamic, TableSource.External);
    private static readonly TableOptions s_options = new() { ServerName = "mx.example.org", InterfaceAddresses = () => [IPAddress.Loopback, IPAddress.Parse("192.0.2.1")] };
    private static readonly LocalAction s_action = new() { Name = "local", Method = new LocalMethod.Mbox() };

    private static readonly SessionContext s_session = new()
    {
        Client = IPAddress.Parse("198.51.100.7"),
        ServerName = "mx.example.org",
        ReverseName = "client.example.net",
        Helo = "helo.example.net",
        AuthUser = "joe",
        Tag = "MSA",
        IsTls = true,
        Sender = Address("sender+tag@example.com"),
    };

    private static int s_tables;

    private static Mailbox Address(string text) => Mailbox.TryParse(text, out Mailbox? mailbox) ? mailbox! : throw new ArgumentException(text);

    private static TableDefinition Table(params string[] keys) =>
        new($"<dynamic:{Interlocked.Increment(ref s_tables)}>", TableKind.List, TableSource.Inline) { Entries = [.. keys.Select(key => new TableEntry(key))] };

    private static TableDefinition BuiltIn(TableSource source) => TableDefinition.BuiltIn.Single(table => table.Source == source);

    private static MatchRule Rule(int line, params MatchCriterion[] criteria) => new([.. criteria], s_action) { Position = new("smtpd.conf", line) };

    private static async Task<RuleVerdict> Match(SessionContext session, string destination, bool isInternal, params MatchRule[] rules)
    {
        await using TableSet tables = await TableSet.OpenAsync(
            rules.SelectMany(rule => rule.Criteria).Where(criterion => criterion.Table is not null).Select(criterion => criterion.Table!), s_options, TestContext.Current.CancellationToken);
        return await new RuleSet([.. rules], tables).MatchAsync(session, Address(destination), isInternal, TestContext.Current.CancellationToken);
    }

    private static async Task<bool> Holds(SessionContext session, MatchCriterion criterion, bool isInternal = false) =>
        (await Match(session, "user+x@dest.example.org", isInternal, Rule(1, criterion))).Rule is not null;

    public static TheoryData<MatchSubject, string[]?, bool, bool> Criteria => new()
    {
        { MatchSubject.Tag, ["MSA"], false, true },
        { MatchSubject.Tag, ["other"], false, false },
        { MatchSubject.Tag, ["^ms"], true, true },
        { MatchSubject.FromAny, null, false, true },
        { MatchSubject.FromSource, ["198.51.100.0/24"], false, true },
        { MatchSubject.FromSource, ["203.0.113.0/24"], false, false },
        { MatchSubject.FromSource, ["^198\\."], true, true },
        { MatchSubject.FromSource, ["^199\\."], true, false },
        { MatchSubject.FromSocket, null, false, false },
        { MatchSubject.FromRdns, null, false, true },
        { MatchSubject.FromRdns, ["*.example.net"], false, true },
        { MatchSubject.FromRdns, ["*.example.org"], false, false },
        { MatchSubject.FromRdns, ["^client\\."], true, true },
        { MatchSubject.ForAny, null, false, true },
        { MatchSubject.ForDomain, ["dest.example.org"], false, true },
        { MatchSubject.ForDomain, ["*.example.org"], false, true },
        { MatchSubject.ForDomain, ["example.org"], false, false },
        { MatchSubject.ForDomain, ["^dest"], true, true },
        { MatchSubject.Helo, ["helo.*"], false, true },
        { MatchSubject.Helo, ["mail.*"], false, false },
        { MatchSubject.Helo, ["net$"], true, true },
        { MatchSubject.Auth, null, false, true },
        { MatchSubject.Auth, ["joe"], false, true },
        { MatchSubject.Auth, ["jane"], false, false },
        { MatchSubject.Auth, ["^j"], true, true },
        { MatchSubject.Tls, null, false, true },
        { MatchSubject.MailFrom, ["sender@example.com"], false, true },
        { MatchSubject.MailFrom, ["@example.com"], false, true },
        { MatchSubject.MailFrom, ["@example.org"], false, false },
        { MatchSubject.MailFrom, ["^sender\\+tag@"], true, true },
        { MatchSubject.RcptTo, ["user"], false, true },
        { MatchSubject.RcptTo, ["other"], false, false },
        { MatchSubject.RcptTo, ["org$"], true, true },
    };

    [Theory]
    [MemberData(nameof(Criteria))]
    public async Task Each_criterion_and_its_negation(MatchSubject subject, string[]? keys, bool isRegex, bool expected)
    {
        TableDefinition? table = keys is null ? null : Table(keys);
        Assert.Equal(expected, await Holds(s_session, new(subject, table, false, isRegex)));
        Assert.Equal(!expected, await Holds(s_session, new(subject, table, true, isRegex)));
    }

    [Theory]
    [InlineData(MatchSubject.Tag)]
    [InlineData(MatchSubject.Helo)]
    [InlineData(MatchSubject.Auth)]
    public async Task What_is_missing_matches_no_table_but_its_negation(MatchSubject subject)
    {
        SessionContext bare = new() { Client = IPAddress.Loopback, ServerName = "mx" };
        Assert.False(await Holds(bare, new(subject, Table("*", "x"))));
        Assert.True(await Holds(bare, new(subject, Table("*", "x"), Negated: true)));
    }

    [Fact]
    public async Task No_reverse_name_matches_no_table_even_negated()
    {
        SessionContext bare = s_session with { ReverseName = null };
        Assert.False(await Holds(bare, new(MatchSubject.FromRdns, Table("x"))));
        Assert.False(await Holds(bare, new(MatchSubject.FromRdns, Table("x"), Negated: true)));
        Assert.False(await Holds(bare, new(MatchSubject.FromRdns)));
        Assert.True(await Holds(bare, new(MatchSubject.FromRdns, Negated: true)));
    }

    [Fact]
    public async Task The_local_socket_is_local_and_authenticated()
    {
        SessionContext local = new() { Client = null, ServerName = "mx" };
        MatchCriterion fromLocal = new(MatchSubject.FromSource, BuiltIn(TableSource.LocalHost));
        Assert.True(await Holds(local, fromLocal));
        Assert.True(await Holds(local, new(MatchSubject.FromSource, BuiltIn(TableSource.AnyHost))));
        Assert.True(await Holds(local, new(MatchSubject.FromSocket)));
        Assert.True(await Holds(local, new(MatchSubject.Auth)));
        Assert.True(await Holds(local, new(MatchSubject.FromSource, Table("^local$"), IsRegex: true)));
        Assert.True(await Holds(s_session with { Client = IPAddress.Parse("::ffff:127.0.0.1") }, fromLocal));
        Assert.False(await Holds(s_session, fromLocal));
    }

    [Fact]
    public async Task The_null_sender_is_an_at_sign()
    {
        SessionContext bounce = s_session with { Sender = null };
        Assert.True(await Holds(bounce, new(MatchSubject.MailFrom, Table("@"))));
        Assert.False(await Holds(bounce, new(MatchSubject.MailFrom, Table("@example.com"))));
        Assert.True(await Holds(bounce, new(MatchSubject.MailFrom, Table("^@$"), IsRegex: true)));
    }

    [Fact]
    public async Task What_expansion_made_comes_from_here()
    {
        Assert.True(await Holds(s_session, new(MatchSubject.FromSource, BuiltIn(TableSource.LocalHost)), isInternal: true));
        Assert.False(await Holds(s_session, new(MatchSubject.FromSource, Table("198.51.100.7")), isInternal: true));
        foreach (bool negated in (bool[])[false, true])
        {
            Assert.False(await Holds(s_session, new(MatchSubject.FromSocket, Negated: negated), isInternal: true));
            Assert.False(await Holds(s_session, new(MatchSubject.FromRdns, Negated: negated), isInternal: true));
            Assert.False(await Holds(s_session, new(MatchSubject.FromRdns, Table("*"), negated), isInternal: true));
        }
    }

    [Fact]
    public async Task The_first_rule_whose_criteria_all_hold_decides()
    {
        MatchCriterion holds = new(MatchSubject.Tls), fails = new(MatchSubject.Tag, Table("other"));
        RuleVerdict verdict = await Match(s_session, "a@b.org", false, Rule(1, holds, fails), Rule(2, fails), Rule(3, holds), Rule(4));
        Assert.Equal(3, verdict.Rule!.Position.Line);
        Assert.Null((await Match(s_session, "a@b.org", false, Rule(1, fails))).Rule);
        Assert.Null((await Match(s_session, "a@b.org", false)).Rule);
    }

    [Fact]
    public async Task A_failing_table_ends_the_search()
    {
        RuleVerdict verdict = await Match(s_session, "a@b.org", false, Rule(1, new MatchCriterion(MatchSubject.Tag, Table("other")), new(MatchSubject.Helo, s_broken)), Rule(2, new MatchCriterion(MatchSubject.Helo, s_broken, Negated: true)), Rule(3));
        Assert.NotNull(verdict.Failure);
        Assert.Contains("smtpd.conf:2", verdict.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_typical_configuration_is_matched_at_once_without_allocation()
    {
        TableDefinition local = BuiltIn(TableSource.LocalHost), names = BuiltIn(TableSource.LocalNames), domains = Table("example.org", "example.com", "*.example.net"), blocked = Table("203.0.113.0/24", "192.0.2.55");
        ImmutableArray<MatchRule> rules =
        [
            new([new(MatchSubject.FromSource, blocked)], null),
            Rule(2, new(MatchSubject.FromSource, local), new(MatchSubject.ForDomain, names)),
            Rule(3, new MatchCriterion(MatchSubject.Tag, Table("none"))),
            Rule(4, new(MatchSubject.Tls), new(MatchSubject.Auth), new(MatchSubject.FromSource, local)),
            Rule(5, new MatchCriterion(MatchSubject.ForDomain, domains)),
        ];
        await using TableSet tables = await TableSet.OpenAsync(rules.SelectMany(rule => rule.Criteria).Where(c => c.Table is not null).Select(c => c.Table!), s_options, TestContext.Current.CancellationToken);
        RuleSet set = new(rules, tables);
        Mailbox destination = Address("joe@mail.example.net");
        for (int i = 0; i < 200; i++)
            Assert.Equal(5, (await set.MatchAsync(s_session, destination, false, TestContext.Current.CancellationToken)).Rule!.Position.Line);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            Assert.True(set.MatchAsync(s_session, destination, false, CancellationToken.None).IsCompletedSuccessfully);
        // The one object is the destination, which may have to make its key.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000 * 48);
    }
}
