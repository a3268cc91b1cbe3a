using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Naming;

namespace Posthouse.Tests.Naming;

public sealed class ResolverTests : IAsyncDisposable
{
    private static readonly IPAddress s_client = IPAddress.Parse("192.0.2.7");

    private readonly DnsTestServer _dns = new();
    private readonly FakeTimeProvider _time = new();
    private readonly Resolver _resolver;

    public ResolverTests() => _resolver = Asking(_dns.EndPoint);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _dns.DisposeAsync();

    [Fact]
    public async Task Addresses_are_found_by_family()
    {
        _dns.Add("mx.test", "A", "192.0.2.1").Add("mx.test", "A", "192.0.2.2").Add("mx.test", "AAAA", "2001:db8::1");
        DnsAnswer<IPAddress> four = await _resolver.FindAddressesAsync("MX.test.", AddressFamily.InterNetwork, Token);
        Assert.Equal([IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2")], four.Records);
        DnsAnswer<IPAddress> six = await _resolver.FindAddressesAsync("mx.test", AddressFamily.InterNetworkV6, Token);
        Assert.Equal([IPAddress.Parse("2001:db8::1")], six.Records);
    }

    [Fact]
    public async Task No_record_and_no_name_are_told_apart()
    {
        _dns.Add("mx.test", "A", "192.0.2.1");
        Assert.Equal(DnsStatus.NoRecords, (await _resolver.FindAddressesAsync("mx.test", AddressFamily.InterNetworkV6, Token)).Status);
        Assert.Equal(DnsStatus.NoSuchName, (await _resolver.FindAddressesAsync("other.test", AddressFamily.InterNetwork, Token)).Status);
        Assert.Equal(DnsStatus.NoSuchName, (await _resolver.FindAddressesAsync("not a name", AddressFamily.InterNetwork, Token)).Status);
    }

    [Fact]
    public async Task Aliases_are_followed()
    {
        _dns.Add("www.test", "CNAME", "real.test").Add("real.test", "A", "192.0.2.9");
        Assert.Equal([IPAddress.Parse("192.0.2.9")], (await _resolver.FindAddressesAsync("www.test", AddressFamily.InterNetwork, Token)).Records);
    }

    [Fact]
    public async Task A_truncated_answer_is_fetched_by_tcp()
    {
        _dns.Add("big.test", "A", "192.0.2.5").Misbehave("big.test", DnsTestServer.Behaviour.Truncate);
        Assert.True((await _resolver.FindAddressesAsync("big.test", AddressFamily.InterNetwork, Token)).IsFound);
        Assert.Equal(2, _dns.Questions);
    }

    [Fact]
    public async Task Failures_are_values_and_kept_for_a_moment()
    {
        _dns.Misbehave("bad.test", DnsTestServer.Behaviour.Fail);
        DnsAnswer<IPAddress> answer = await _resolver.FindAddressesAsync("bad.test", AddressFamily.InterNetwork, Token);
        Assert.Equal(DnsStatus.Failed, answer.Status);
        int asked = _dns.Questions;
        _dns.Clear();
        _dns.Add("bad.test", "A", "192.0.2.3");
        Assert.Equal(DnsStatus.Failed, (await _resolver.FindAddressesAsync("bad.test", AddressFamily.InterNetwork, Token)).Status);
        Assert.Equal(asked, _dns.Questions);
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.True((await _resolver.FindAddressesAsync("bad.test", AddressFamily.InterNetwork, Token)).IsFound);
    }

    [Fact]
    public async Task A_silent_server_is_given_up_and_the_next_one_asked()
    {
        await using DnsTestServer silent = new();
        silent.Misbehave("mx.test", DnsTestServer.Behaviour.Silent);
        _dns.Add("mx.test", "A", "192.0.2.1");
        Resolver both = Asking(silent.EndPoint, _dns.EndPoint);
        Assert.True((await both.FindAddressesAsync("mx.test", AddressFamily.InterNetwork, Token)).IsFound);
        Resolver one = Asking(silent.EndPoint);
        Assert.Equal(DnsStatus.Failed, (await one.FindAddressesAsync("mx.test", AddressFamily.InterNetwork, Token)).Status);
    }

    [Fact]
    public async Task Answers_are_kept_for_their_time_to_live()
    {
        _dns.Add("mx.test", "A", "192.0.2.1", timeToLive: 30);
        for (int i = 0; i < 3; i++)
            Assert.True((await _resolver.FindAddressesAsync("mx.test", AddressFamily.InterNetwork, Token)).IsFound);
        Assert.Equal(1, _dns.Questions);
        _time.Advance(TimeSpan.FromSeconds(31));
        await _resolver.FindAddressesAsync("mx.test", AddressFamily.InterNetwork, Token);
        Assert.Equal(2, _dns.Questions);
    }

    [Fact]
    public async Task That_there_is_nothing_is_kept_as_the_zone_says()
    {
        await _resolver.FindAddressesAsync("none.test", AddressFamily.InterNetwork, Token);
        await _resolver.FindAddressesAsync("none.test", AddressFamily.InterNetwork, Token);
        Assert.Equal(1, _dns.Questions);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _resolver.FindAddressesAsync("none.test", AddressFamily.InterNetwork, Token);
        Assert.Equal(2, _dns.Questions);
    }

    [Fact]
    public async Task A_name_that_leads_back_is_confirmed()
    {
        _dns.Add("192.0.2.7", "PTR", "client.test.").Add("client.test", "A", "192.0.2.7");
        Assert.Equal(new ReverseName("client.test", ForwardConfirmation.Pass), await ReverseAsync());
    }

    [Fact]
    public async Task The_name_that_leads_back_is_preferred()
    {
        _dns.Add("192.0.2.7", "PTR", "first.test").Add("192.0.2.7", "PTR", "second.test").Add("second.test", "A", "192.0.2.7");
        Assert.Equal(new ReverseName("second.test", ForwardConfirmation.Pass), await ReverseAsync());
    }

    [Fact]
    public async Task A_name_that_leads_elsewhere_is_a_name_all_the_same()
    {
        _dns.Add("192.0.2.7", "PTR", "client.test").Add("client.test", "A", "192.0.2.8");
        Assert.Equal(new ReverseName("client.test", ForwardConfirmation.Fail), await ReverseAsync());
    }

    [Fact]
    public async Task Without_a_name_the_client_is_unknown()
    {
        ReverseName name = await ReverseAsync();
        Assert.Equal(new ReverseName(null, ForwardConfirmation.Fail), name);
        Assert.Equal("<unknown>", name.ToString());
    }

    [Fact]
    public async Task What_cannot_be_found_out_is_an_error_and_not_a_failure()
    {
        _dns.Misbehave("192.0.2.7", DnsTestServer.Behaviour.Fail);
        Assert.Equal(new ReverseName(null, ForwardConfirmation.Error), await ReverseAsync());
        _time.Advance(TimeSpan.FromMinutes(1));
        _dns.Clear();
        _dns.Add("192.0.2.7", "PTR", "client.test").Misbehave("client.test", DnsTestServer.Behaviour.Fail);
        Assert.Equal(new ReverseName("client.test", ForwardConfirmation.Error), await ReverseAsync());
    }

    [Fact]
    public async Task Names_with_strange_characters_are_not_believed()
    {
        _dns.Add("192.0.2.7", "PTR", "evil\r\n|name.test");
        Assert.Null((await ReverseAsync()).Name);
    }

    [Fact]
    public async Task A_silent_dns_does_not_hold_a_client_longer_than_the_limit()
    {
        _dns.Misbehave("192.0.2.7", DnsTestServer.Behaviour.Silent);
        Resolver patient = new([_dns.EndPoint], HostsFile.Parse(""), _time, NullLogger.Instance, TimeSpan.FromSeconds(30));
        ValueTask<ReverseName> asking = new ReverseNames(patient, _time, TimeSpan.FromSeconds(5)).FindAsync(s_client, Token);
        Assert.False(asking.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(new ReverseName(null, ForwardConfirmation.Error), await asking);
    }

    [Fact]
    public async Task Loopback_and_the_hosts_file_need_no_dns()
    {
        Resolver resolver = new([_dns.EndPoint], HostsFile.Parse("192.0.2.7 client.example client # a comment\nnonsense\n"), _time, NullLogger.Instance);
        ReverseNames names = new(resolver, _time);
        Assert.Equal(new ReverseName("client.example", ForwardConfirmation.Pass), await names.FindAsync(s_client, Token));
        Assert.Equal(new ReverseName("localhost", ForwardConfirmation.Pass), await names.FindAsync(IPAddress.Loopback, Token));
        Assert.Equal(new ReverseName("localhost", ForwardConfirmation.Pass), await names.FindAsync(IPAddress.IPv6Loopback, Token));
        Assert.True((await resolver.FindAddressesAsync("CLIENT", AddressFamily.InterNetwork, Token)).IsFound);
        Assert.Equal(0, _dns.Questions);
    }

    [Fact]
    public void The_cache_is_bounded()
    {
        AnswerCache cache = new(100, _time);
        for (int i = 0; i < 1000; i++)
            cache.Keep(new AnswerCache.Question($"n{i}", DnsClient.QueryType.A), "x", TimeSpan.FromHours(1));
        Assert.Equal(100, cache.Count);
        Assert.NotNull(cache.Find(new AnswerCache.Question("n999", DnsClient.QueryType.A)));
        Assert.Null(cache.Find(new AnswerCache.Question("n0", DnsClient.QueryType.A)));
    }

    [Theory]
    [InlineData("nameserver 192.0.2.53\nsearch x\nnameserver 2001:db8::53\n", "192.0.2.53:53,[2001:db8::53]:53")]
    [InlineData("# nothing\nnameserver nonsense\n", "127.0.0.1:53")]
    public void The_systems_servers_are_read(string text, string expected) =>
        Assert.Equal(expected, string.Join(',', ResolverFile.Parse(text)));

    [Theory]
    [InlineData("mx.example.org", true)]
    [InlineData("a_b.example", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("a..b", false)]
    [InlineData("a b", false)]
    [InlineData("exämple.org", false)]
    [InlineData("<unknown>", false)]
    public void Host_names_are_validated(string name, bool expected) => Assert.Equal(expected, HostsFile.IsHostName(name));

    private ValueTask<ReverseName> ReverseAsync() => new ReverseNames(_resolver, _time).FindAsync(s_client, Token);

    private Resolver Asking(params IPEndPoint[] servers) =>
        new(servers, HostsFile.Parse(""), _time, NullLogger.Instance, TimeSpan.FromMilliseconds(300));
}
