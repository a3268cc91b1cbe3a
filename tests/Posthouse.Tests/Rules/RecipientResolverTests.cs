using System.Collections.Frozen;
using System.Net;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;
using Posthouse.Tests.Tables;
using Posthouse.Wire;

namespace Posthouse.Tests.Rules;

/// <summary>
/// One small site: example.org is local with aliases, virtual.org has virtual users, fixed.org delivers all as one user,
/// expand.org and forward.org only expand, anything else that comes from here is relayed, and bad.org is rejected.
/// </summary>
public sealed class RecipientResolverTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakePrivileges _privileges = new();
    private readonly List<TableEntry> _aliases = [];
    private readonly List<TableEntry> _virtual = [];

    private readonly SessionContext _session = new() { Client = IPAddress.Parse("198.51.100.7"), ServerName = "example.org" };

    private bool _canRelay = true;

    public RecipientResolverTests() => _privileges.Includes = (_, key, index) =>
        ExpansionList.TryParse(_aliases.Last(alias => alias.Key == key).Value ?? "", out IReadOnlyList<ExpansionElement> elements, out _) ? elements[index].Text : null;

    public void Dispose() => _folder.Dispose();

    private void Alias(string key, string value) => _aliases.Add(new(key, value));

    private void Virtual(string key, string value) => _virtual.Add(new(key, value));

    private void Forward(string user, string content) => _privileges.Forwards[user] = new(content);

    private static TableDefinition Table(string name, params IEnumerable<TableEntry> entries) => new(name, TableKind.Mapping, TableSource.Inline) { Entries = [.. entries] };

    private ServerConfiguration Configure()
    {
        TableDefinition users = Table("users", ((string[])["joe", "jane", "bob", "vmail"]).Select(user => new TableEntry(user, $"1000:1000:/home/{user}")).Append(new("root", "0:0:/root")).Append(new("odd", "nonsense")));
        TableDefinition aliases = Table("aliases", _aliases);
        TableDefinition broken = new("broken", TableKind.Dynamic, TableSource.External);
        LocalAction local = new() { Name = "local", Method = new LocalMethod.Maildir(), Alias = aliases, Userbase = users };
        DeliveryAction[] actions =
        [
            local,
            new LocalAction { Name = "virtual", Method = new LocalMethod.Maildir(), Virtual = Table("virtual", _virtual), Userbase = users, Ttl = TimeSpan.FromHours(1) },
            new LocalAction { Name = "fixed", Method = new LocalMethod.Maildir(), Userbase = users, User = "vmail" },
            new LocalAction { Name = "expand", Method = new LocalMethod.ExpandOnly(), Alias = aliases, Userbase = users },
            new LocalAction { Name = "forward", Method = new LocalMethod.ForwardOnly(), Alias = aliases, Userbase = users },
            new LocalAction { Name = "broken", Method = new LocalMethod.Maildir(), Alias = broken, Userbase = users },
            new RelayAction { Name = "relay" },
        ];
        List<MatchRule> rules = [Rule("bad.org", null)];
        rules.AddRange(actions[..^1].Select(action => Rule(action.Name == "local" ? "example.org" : $"{action.Name}.org", action)));
        rules.Add(new([new(MatchSubject.FromSource, TableDefinition.BuiltIn[0])], actions[^1]) { Position = new("c", 99) });
        return new()
        {
            Actions = actions.ToFrozenDictionary(action => action.Name),
            Rules = [.. rules],
            Tables = new[] { users, aliases, broken, ((LocalAction)actions[1]).Virtual! }
                .Concat(rules.SelectMany(rule => rule.Criteria).Select(criterion => criterion.Table!)).DistinctBy(table => table.Name).ToFrozenDictionary(table => table.Name),
        };

        static MatchRule Rule(string domain, DeliveryAction? action) =>
            new([new(MatchSubject.ForDomain, new($"<{domain}>", TableKind.List, TableSource.Inline) { Entries = [new(domain)] })], action) { Position = new("c", 1) };
    }

    private async Task<Resolution> Resolve(string recipient, SessionContext? session = null)
    {
        ServerConfiguration configuration = Configure();
        await using TableSet tables = await TableSet.OpenAsync(configuration.Tables.Values, new(), TestContext.Current.CancellationToken);
        RecipientResolver resolver = new(configuration, tables, _privileges, new() { CanRelay = _canRelay });
        Assert.True(Mailbox.TryParse(recipient, out Mailbox? mailbox));
        return await resolver.ResolveAsync(session ?? _session, mailbox!, TestContext.Current.CancellationToken);
    }

    private async Task<string> Show(string recipient)
    {
        Resolution resolution = await Resolve(recipient);
        return resolution.Refusal?.ToString() ?? string.Join(" ; ", resolution.Envelopes.Select(envelope => envelope.Kind == EnvelopeKind.Mta
            ? $"mta {envelope.Destination}"
            : $"{envelope.Action} {envelope.Source ?? ""}{(envelope.Source is null ? envelope.User : $" as {envelope.User}")}{(envelope.Extension is null ? "" : $" +{envelope.Extension}")} <{envelope.Destination}>"));
    }

    [Theory]
    [InlineData("joe@example.org", "local joe <joe@example.org>")]
    [InlineData("JOE@Example.ORG", "local joe <JOE@Example.ORG>")]
    [InlineData("joe", "local joe <joe@example.org>")]
    [InlineData("joe+Box@example.org", "local joe +box <joe+Box@example.org>")]
    [InlineData("nobody@example.org", "550 5.1.1 Invalid recipient: <nobody@example.org>")]
    [InlineData("odd@example.org", "451 4.3.0 Temporary failure: <odd@example.org>")]
    [InlineData("joe@bad.org", "550 5.1.1 Invalid recipient: <joe@bad.org>")]
    [InlineData("joe@elsewhere.org", "550 5.1.1 Invalid recipient: <joe@elsewhere.org>")]
    [InlineData("joe@broken.org", "451 4.3.0 Temporary failure: <joe@broken.org>")]
    [InlineData("joe@fixed.org", "fixed joe <joe@fixed.org>")]
    [InlineData("joe@expand.org", "550 5.1.1 Invalid recipient: <joe@expand.org>")]
    [InlineData("joe@forward.org", "451 4.3.0 Temporary failure: <joe@forward.org>")]
    public async Task Without_expansion(string recipient, string expected) => Assert.Equal(expected, await Show(recipient));

    [Fact]
    public async Task A_relay_needs_the_client_to_be_local_and_relaying_to_exist()
    {
        SessionContext local = _session with { Client = null };
        EnvelopePrototype envelope = Assert.Single((await Resolve("x@elsewhere.org", local)).Envelopes);
        Assert.Equal((EnvelopeKind.Mta, "relay", "c:99", TimeSpan.FromDays(4), false), (envelope.Kind, envelope.Action, envelope.Rule, envelope.Ttl, envelope.IsForwarded));
        _canRelay = false;
        SmtpReply refusal = (await Resolve("x@elsewhere.org", local)).Refusal!;
        Assert.StartsWith("451 4.3.5 ", refusal.ToString());
    }

    [Fact]
    public async Task Aliases_give_users_addresses_commands_and_files()
    {
        Alias("list", "Joe, jane+tag, out@elsewhere.org, joe@example.org, |/bin/cat -v, /var/archive");
        Assert.Equal(
            "local alias:list:4 as  <list@example.org> ; local alias:list:5 as  <list@example.org> ; local joe <list@example.org> ; local jane +tag <list@example.org> ; mta out@elsewhere.org",
            Sorted(await Show("list@example.org")));
        Assert.True((await Resolve("list@example.org")).Envelopes.Single(envelope => envelope.Kind == EnvelopeKind.Mta).IsForwarded);
    }

    // The order is the tree's; the tests compare sets.
    private static string Sorted(string text) => string.Join(" ; ", text.Split(" ; ").OrderBy(part => part switch { ['m', 't', 'a', ..] => 2, ['l', 'o', 'c', 'a', 'l', ' ', 'a', ..] => 0, _ => 1 }));

    [Fact]
    public async Task Aliases_are_looked_up_with_the_tag_first()
    {
        Alias("list+a", "joe");
        Alias("list", "jane");
        Assert.Equal("local joe <list+a@example.org>", await Show("list+a@example.org"));
        Assert.Equal("local jane <list+b@example.org>", await Show("list+b@example.org"));
    }

    [Fact]
    public async Task Aliases_nest_and_end_in_missing_users()
    {
        Alias("a", "b");
        Alias("b", "c@example.org");
        Alias("c", "joe");
        Assert.Equal("local joe <c@example.org>", await Show("a@example.org"));
        Alias("d", "joe, nobody");
        Assert.Equal("550 5.1.1 Invalid recipient: <d@example.org>", await Show("d@example.org"));
    }

    [Fact]
    public async Task A_user_in_its_own_alias_is_delivered()
    {
        Alias("joe", "joe, jane");
        Assert.Equal("local joe <joe@example.org> ; local jane <joe@example.org>", await Show("joe@example.org"));
        Forward("joe", "\\joe, out@elsewhere.org");
        Assert.Equal("local jane <joe@example.org> ; local joe <joe@example.org> ; mta out@elsewhere.org", await Show("joe@example.org"));
    }

    [Fact]
    public async Task A_forward_with_ones_own_address_keeps_a_copy()
    {
        Forward("joe", "joe@example.org, out@elsewhere.org");
        Assert.Equal("mta out@elsewhere.org ; local joe <joe@example.org>", await Show("joe@example.org"));
        Forward("joe", "joe+copy@example.org, out@elsewhere.org");
        Assert.Equal("mta out@elsewhere.org ; local joe +copy <joe+copy@example.org>", await Show("joe@example.org"));
        Alias("bob", "bob@example.org");
        Assert.Equal("local bob <bob@example.org>", await Show("bob@example.org"));
    }

    [Fact]
    public async Task Rings_of_names_end()
    {
        Alias("x", "y");
        Alias("y", "x");
        Assert.Equal("550 5.1.1 Invalid recipient: <x@example.org>", await Show("x@example.org"));
        Alias("joe", "bob");
        Alias("bob", "joe");
        Assert.Equal("local joe <joe@example.org>", await Show("joe@example.org"));
        Virtual("a@virtual.org", "b@virtual.org");
        Virtual("b@virtual.org", "a@virtual.org");
        Assert.Equal("524 5.2.4 Mailing list expansion problem: <a@virtual.org>", await Show("a@virtual.org"));
        Forward("jane", "joe@example.org");
        Forward("joe", "jane@example.org");
        Assert.Equal("local joe <joe@example.org>", await Show("joe@example.org"));
    }

    [Fact]
    public async Task Depth_is_limited()
    {
        for (int i = 0; i < 12; i++)
            Alias($"n{i}", i == 11 ? "joe" : $"n{i + 1}");
        Assert.Equal("524 5.2.4 Mailing list expansion problem: <n0@example.org>", await Show("n0@example.org"));
        Assert.Equal("local joe <n6@example.org>", await Show("n6@example.org"));
    }

    [Fact]
    public async Task Big_lists_are_fine_and_nobody_is_in_them_twice()
    {
        Alias("big", string.Join(", ", Enumerable.Range(0, 2000).Select(i => $"u{i % 1000}@elsewhere.org")));
        Assert.Equal(1000, (await Resolve("big@example.org")).Envelopes.Count);
    }

    [Theory]
    [InlineData("joe+tag", "joe+tag@virtual.org", "1")]
    [InlineData("joe", "joe@virtual.org", "2")]
    [InlineData("joe+tag", "joe+tag", "3")]
    [InlineData("joe+tag", "joe", "4")]
    [InlineData("joe+tag", "@virtual.org", "5")]
    [InlineData("joe", "@", "6")]
    public async Task Virtual_users_are_looked_up_in_order(string local, string firstKey, string expected)
    {
        string[] keys = ["joe+tag@virtual.org", "joe@virtual.org", "joe+tag", "joe", "@virtual.org", "@"];
        foreach ((string key, int index) in keys.Select((key, index) => (key, index)).SkipWhile(pair => pair.key != firstKey))
            Virtual(key, $"v{index + 1}@elsewhere.org");
        Assert.Equal($"mta v{expected}@elsewhere.org", await Show($"{local}@virtual.org"));
    }

    [Fact]
    public async Task Virtual_values_may_be_users_pipes_and_nested()
    {
        Virtual("info@virtual.org", "joe+x, sales@virtual.org, |/bin/cat");
        Virtual("sales@virtual.org", "jane@example.org");
        Assert.Equal("virtual joe +x <info@virtual.org> ; virtual alias:info@virtual.org:2 as  <info@virtual.org> ; local jane <jane@example.org>", await Show("info@virtual.org"));
        Assert.Equal("524 5.2.4 Mailing list expansion problem: <none@virtual.org>", await Show("none@virtual.org"));
        Assert.Equal(TimeSpan.FromHours(1), (await Resolve("info@virtual.org")).Envelopes[0].Ttl);
    }

    [Fact]
    public async Task Forwards_give_addresses_commands_and_files_of_their_user()
    {
        Forward("joe", "# mine\njane, out@elsewhere.org\n\"|/bin/filter 'a, b'\"\n/home/joe/copy\n");
        Assert.Equal("mta out@elsewhere.org ; local forward:joe:2 as joe +t <joe+t@example.org> ; local forward:joe:3 as joe +t <joe+t@example.org> ; local jane <joe+t@example.org>",
            string.Join(" ; ", (await Show("joe+t@example.org")).Split(" ; ").OrderBy(part => part.Contains("jane", StringComparison.Ordinal)).ThenBy(part => part.StartsWith("local", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Forwards_that_cannot_be_obeyed_are_temporary_failures()
    {
        const string expected = "451 4.3.0 Temporary failure: <joe@example.org>";
        Forward("joe", "bad name\n");
        Assert.Equal(expected, await Show("joe@example.org"));
        Forward("joe", ":include:/etc/passwd\n");
        Assert.Equal(expected, await Show("joe@example.org"));
        Forward("joe", "joe," + new string(' ', 4096));
        Assert.Equal(expected, await Show("joe@example.org"));
        Forward("joe", string.Join(',', Enumerable.Repeat("jane", 101)));
        Assert.Equal(expected, await Show("joe@example.org"));
        _privileges.Forwards["joe"] = new(null, Fault.Temporary("no"));
        Assert.Equal(expected, await Show("joe@example.org"));
        Forward("joe", "# nothing\n");
        Assert.Equal("local joe <joe@example.org>", await Show("joe@example.org"));
    }

    [Fact]
    public async Task Root_may_forward_but_not_run_anything()
    {
        Forward("root", "joe");
        Assert.Equal("local joe <root@example.org>", await Show("root@example.org"));
        Forward("root", "|/bin/cat");
        Assert.StartsWith("451 ", await Show("root@example.org"));
        Forward("root", "/tmp/x");
        Assert.StartsWith("451 ", await Show("root@example.org"));
    }

    [Fact]
    public async Task With_a_fixed_user_only_its_own_forward_counts()
    {
        Forward("joe", "out@elsewhere.org");
        Forward("vmail", "jane@example.org");
        Assert.Equal("fixed joe <joe@fixed.org>", await Show("joe@fixed.org"));
        Assert.Equal("local jane <jane@example.org>", await Show("vmail@fixed.org"));
    }

    [Fact]
    public async Task Expand_only_and_forward_only()
    {
        Alias("out", "x@elsewhere.org");
        Alias("cmd", "|/bin/cat");
        Alias("in", "joe");
        Alias("err", ":error:550 no");
        Assert.Equal("mta x@elsewhere.org", await Show("out@expand.org"));
        Assert.Equal("expand alias:cmd:0 as  <cmd@expand.org>", await Show("cmd@expand.org"));
        Assert.Equal("550 5.1.1 Invalid recipient: <in@expand.org>", await Show("in@expand.org"));
        Assert.Equal("mta x@elsewhere.org", await Show("out@forward.org"));
        foreach (string name in (string[])["cmd", "in", "err"])
            Assert.Equal($"451 4.3.0 Temporary failure: <{name}@forward.org>", await Show($"{name}@forward.org"));
    }

    [Theory]
    [InlineData(":error:550 Closed", "550 5.1.1 Closed: <list@example.org>")]
    [InlineData(":error:450 4.2.1 Come back", "450 4.2.1 Come back: <list@example.org>")]
    [InlineData("joe, error:521 5.7.1 Never", "521 5.7.1 Never: <list@example.org>")]
    public async Task Errors_refuse_with_their_text(string value, string expected)
    {
        Alias("list", value);
        Assert.Equal(expected, await Show("list@example.org"));
    }

    [Fact]
    public async Task Includes_are_for_aliases_and_one_level_deep()
    {
        string members = _folder.Write("members", "# us\njoe\njane, |/bin/cat\n");
        Alias("list", $"bob, :include:{members}");
        Assert.Equal("local bob <list@example.org> ; local joe <list@example.org> ; local jane <list@example.org> ; local alias:list:1.2 as  <list@example.org>",
            string.Join(" ; ", (await Show("list@example.org")).Split(" ; ").OrderBy(part => part.Contains("alias:", StringComparison.Ordinal))));
        Alias("deep", $":include:{_folder.Write("outer", $":include:{members}")}");
        Assert.StartsWith("451 ", await Show("deep@example.org"));
        Alias("gone", $":include:{_folder["missing"]}");
        Assert.StartsWith("451 ", await Show("gone@example.org"));
    }

    [Fact]
    public async Task A_malformed_alias_is_a_temporary_failure()
    {
        Alias("list", "joe, two words");
        Assert.Equal("451 4.3.0 Temporary failure: <list@example.org>", await Show("list@example.org"));
    }

    [Fact]
    public async Task At_delivery_the_source_is_read_again()
    {
        string members = _folder.Write("members", "joe, /var/list");
        Alias("cmd", "joe, |/bin/cat -v");
        Alias("list", $":include:{members}");
        Alias("now", "joe");
        Virtual("v@virtual.org", "|/bin/virtual");
        Forward("joe", "|/bin/mine");
        ServerConfiguration configuration = Configure();
        await using TableSet tables = await TableSet.OpenAsync(configuration.Tables.Values, new(), TestContext.Current.CancellationToken);
        SourceReader reader = new(configuration, tables, _privileges);

        Assert.Equal("Command /bin/cat -v of ", await Read("local", "alias:cmd:1"));
        Assert.Equal("File /var/list of ", await Read("local", "alias:list:0.1"));
        Assert.Equal("Command /bin/virtual of ", await Read("virtual", "alias:v@virtual.org:0"));
        Assert.Equal("Command /bin/mine of joe", await Read("local", "forward:joe:0"));
        foreach (string changed in (string[])["alias:cmd:0", "alias:cmd:2", "alias:gone:0", "alias:now:0", "alias:list:0.0", "alias:cmd:1.0", "forward:jane:0", "forward:joe:1", "forward:nobody:0"])
            Assert.Equal("changed", await Read("local", changed));
        Assert.Equal("changed", await Read("fixed", "alias:cmd:1"));
        Assert.Equal("permanent", await Read("local", "/bin/sh"));
        Assert.Equal("temporary", await Read("gone", "alias:cmd:1"));
        Assert.Equal("temporary", await Read("broken", "alias:cmd:1"));
        File.Delete(members);
        Assert.Equal("temporary", await Read("local", "alias:list:0.1"));

        async Task<string> Read(string action, string source)
        {
            Envelope envelope = new() { Id = new(0x100000001), Kind = EnvelopeKind.Mda, Action = action, Sender = "", Recipient = "a@b", Destination = "a@b", Source = source, Size = 1, Created = 1, Expires = 2 };
            SourcedDelivery delivery = await reader.ReadAsync(envelope, TestContext.Current.CancellationToken);
            return delivery.IsChanged ? "changed" : delivery.Fault is { } fault ? fault.IsPermanent ? "permanent" : "temporary" : $"{delivery.Element!.Value.Kind} {delivery.Element.Value.Text} of {delivery.Owner?.Name}";
        }
    }
}
