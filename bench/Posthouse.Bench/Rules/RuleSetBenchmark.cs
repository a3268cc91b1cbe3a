using System.Net;
using BenchmarkDotNet.Attributes;
using Posthouse.Server.Configuration;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Bench.Rules;

/// <summary>One recipient against five rules, as a small site has them: decided in the middle, by the last, and by none.</summary>
[MemoryDiagnoser]
public class RuleSetBenchmark
{
    private static readonly LocalAction s_action = new() { Name = "local", Method = new LocalMethod.Mbox() };
    private static readonly Mailbox s_local = Address("joe@example.org");
    private static readonly Mailbox s_remote = Address("ann@example.com");

    private TableSet _tables = null!;
    private RuleSet _rules = null!;
    private SessionContext _stranger = null!;
    private SessionContext _member = null!;

    [GlobalSetup]
    public async Task Open()
    {
        TableDefinition domains = Table("domains", "example.org", "example.net", "lists.example.org");
        TableDefinition blocked = Table("blocked", "@spam.example", "bad@example.com");
        TableDefinition office = Table("office", "192.0.2.0/24", "2001:db8::/32");
        MatchRule[] rules =
        [
            Rule(1, new MatchCriterion(MatchSubject.MailFrom, blocked)),
            Rule(2, new MatchCriterion(MatchSubject.FromSource, office), new MatchCriterion(MatchSubject.ForDomain, domains)),
            Rule(3, new MatchCriterion(MatchSubject.ForDomain, domains)),
            Rule(4, new MatchCriterion(MatchSubject.Tag, Table("tags", "MSA")), new MatchCriterion(MatchSubject.Auth)),
            Rule(5, new MatchCriterion(MatchSubject.FromSource, office)),
        ];
        var options = new TableOptions { ServerName = "mx.example.org", InterfaceAddresses = () => [IPAddress.Loopback] };
        _tables = await TableSet.OpenAsync([domains, blocked, office, .. rules.SelectMany(rule => rule.Criteria).Select(criterion => criterion.Table).OfType<TableDefinition>()], options);
        _rules = new RuleSet([.. rules], _tables);
        _stranger = new SessionContext { Client = IPAddress.Parse("198.51.100.7"), ServerName = "mx.example.org", Sender = Address("sender@example.edu") };
        _member = _stranger with { Client = IPAddress.Parse("192.0.2.7") };
    }

    [GlobalCleanup]
    public async Task Close() => await _tables.DisposeAsync();

    [Benchmark]
    public ValueTask<RuleVerdict> ThirdRule() => _rules.MatchAsync(_stranger, s_local, isInternal: false);

    [Benchmark]
    public ValueTask<RuleVerdict> LastRule() => _rules.MatchAsync(_member, s_remote, isInternal: false);

    [Benchmark]
    public ValueTask<RuleVerdict> NoRule() => _rules.MatchAsync(_stranger, s_remote, isInternal: false);

    private static Mailbox Address(string text) => Mailbox.TryParse(text, out Mailbox? mailbox) ? mailbox! : throw new ArgumentException(text);

    private static TableDefinition Table(string name, params string[] keys) => new(name, TableKind.List, TableSource.Inline) { Entries = [.. keys.Select(key => new TableEntry(key))] };

    private static MatchRule Rule(int line, params MatchCriterion[] criteria) => new([.. criteria], s_action) { Position = new("smtpd.conf", line) };
}
