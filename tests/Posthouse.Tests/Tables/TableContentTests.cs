using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class TableContentTests
{
    private static TableContent List(params string[] keys) => new(TableKind.List, [.. keys.Select(key => new TableEntry(key))]);

    [Theory]
    [InlineData("joe", "joe@example.org", true)]
    [InlineData("joe", "JOE+tag@example.org", true)]
    [InlineData("joe", "jane@example.org", false)]
    [InlineData("joe+tag", "joe+tag@example.org", true)]
    [InlineData("joe+tag", "joe@example.org", false)]
    [InlineData("joe+tag", "joe+other@example.org", false)]
    [InlineData("@example.org", "joe@Example.org", true)]
    [InlineData("@*.example.org", "joe@a.b.example.org", true)]
    [InlineData("@*.example.org", "joe@example.org", false)]
    [InlineData("joe@example.org", "joe@example.org", true)]
    [InlineData("joe@example.org", "joe+tag@example.org", true)]
    [InlineData("joe@example.org", "joe@example.net", false)]
    [InlineData("joe@example.*", "joe+t@example.net", true)]
    [InlineData("joe+t@example.*", "joe@example.net", false)]
    [InlineData("joe+t@example.org", "joe+t@example.org", true)]
    [InlineData("@", "anybody@anywhere", true)]
    [InlineData("@", "@", true)]
    [InlineData("joe", "@", false)]
    [InlineData("@*", "@", false)]
    public void Mail_addresses(string entry, string address, bool expected) => Assert.Equal(expected, List(entry).Check(TableService.MailAddr, address).IsFound);

    [Fact]
    public void Domains_by_name_suffix_and_pattern()
    {
        TableContent content = new(TableKind.Mapping,
            [new("*", "any"), new("example.org", "name"), new("*.example.org", "suffix"), new("*.b.example.org", "longer"), new("mail*.net", "pattern")]);
        Assert.Equal("name", content.Lookup(TableService.Domain, "EXAMPLE.org").Value);
        Assert.Equal("suffix", content.Lookup(TableService.Domain, "x.y.example.org").Value);
        Assert.Equal("longer", content.Lookup(TableService.Domain, "a.b.example.org").Value);
        Assert.Equal("pattern", content.Lookup(TableService.Domain, "mail7.example.net").Value);
        Assert.Equal("any", content.Lookup(TableService.Domain, "other").Value);
    }

    [Fact]
    public void Names_fold_case_unless_two_differ_by_it()
    {
        Assert.Equal("x", new TableContent(TableKind.Mapping, [new("Joe", "x")]).Lookup(TableService.Credentials, "joe").Value);
        TableContent both = new(TableKind.Mapping, [new("Joe", "upper"), new("joe", "lower")]);
        Assert.Equal("upper", both.Lookup(TableService.Credentials, "Joe").Value);
        Assert.Equal("lower", both.Lookup(TableService.Credentials, "joe").Value);
        Assert.Equal("lower", both.Lookup(TableService.Credentials, "JOE").Value);
    }

    [Fact]
    public void Of_two_entries_with_one_key_the_later_counts() =>
        Assert.Equal("2", new TableContent(TableKind.Mapping, [new("a", "1"), new("a", "2")]).Lookup(TableService.Alias, "a").Value);

    [Fact]
    public void Fetch_goes_round()
    {
        TableContent content = List("1", "2");
        Assert.Equal(["1", "2", "1"], Enumerable.Range(0, 3).Select(_ => content.Fetch().Value!));
        Assert.Equal(TableStatus.NotFound, List().Fetch().Status);
    }

    [Fact]
    public void An_invalid_entry_is_reported_once_and_matches_nothing()
    {
        List<string> ignored = [];
        TableContent content = new(TableKind.List, [new("10.0.0.0/99", null, 3), new("10.0.0.1", null, 4)], '+', (entry, error) => ignored.Add($"{entry.Line} {error}"));
        Assert.True(content.Check(TableService.NetAddr, "10.0.0.1").IsFound);
        Assert.False(content.Check(TableService.NetAddr, "10.0.0.2").IsFound);
        Assert.Equal(["3 is not an address or network"], ignored);
    }

    [Fact]
    public void Ten_thousand_literals_cost_no_more_than_ten()
    {
        TableContent[] sizes = [.. new[] { 10, 10_000 }.Select(count => List([.. Enumerable.Range(0, count).Select(i => $"d{i}.example.org")]))];
        double[] times = new double[2];
        for (int round = 0; round < 5; round++)
        {
            for (int size = 0; size < 2; size++)
            {
                long start = TimeProvider.System.GetTimestamp();
                for (int i = 0; i < 2000; i++)
                    sizes[size].Check(TableService.Domain, "nowhere.example.net");
                double time = TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
                times[size] = round == 0 ? time : Math.Min(times[size], time);
            }
        }

        Assert.True(times[1] < times[0] * 20, $"{times[0]} µs for 10, {times[1]} µs for 10000");
    }

    [Fact]
    public void Lookups_of_literals_allocate_nothing()
    {
        TableContent content = List("example.org", "@example.org", "joe@example.net", "10.0.0.0/8");
        for (int i = 0; i < 100; i++)
            Ask();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            Ask();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);

        void Ask()
        {
            content.Check(TableService.Domain, "a.b.example.org");
            content.Check(TableService.MailAddr, "joe+x@example.net");
            content.Check(NetAddress.TryParse("10.1.1.1", out NetAddress address) ? address : null);
        }
    }
}
