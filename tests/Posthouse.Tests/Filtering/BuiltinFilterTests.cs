using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Tests.Configuration;

namespace Posthouse.Tests.Filtering;

/// <summary>Builtin filters as they are written, asked in the place where they stand.</summary>
public sealed class BuiltinFilterTests
{
    // The client is client.example.net [192.0.2.1], whose name leads back; it says EHLO host.example.net and is user joe.
    [Theory]
    [InlineData("phase connect match fcrdns reject \"550 x\"", FilterPhase.Connect, "", "550 x")]
    [InlineData("phase connect match !fcrdns reject \"550 x\"", FilterPhase.Connect, "", null)]
    [InlineData("phase connect match rdns reject \"550 x\"", FilterPhase.Connect, "", "550 x")]
    [InlineData("phase connect match rdns { \"*.example.net\" } reject \"550 x\"", FilterPhase.Connect, "", "550 x")]
    [InlineData("phase connect match rdns regex { \"(?i)^CLIENT\" } reject \"550 x\"", FilterPhase.Connect, "", "550 x")]
    [InlineData("phase connect match src { 192.0.2.0/24 } disconnect \"550 x\"", FilterPhase.Connect, "", "550 x!")]
    [InlineData("phase connect match !src { 192.0.2.0/24 } disconnect \"550 x\"", FilterPhase.Connect, "", null)]
    [InlineData("phase connect match src regex { \"^192[.]\" } reject \"550 x\"", FilterPhase.Connect, "", "550 x")]
    [InlineData("phase ehlo match helo { host.example.net } reject \"550 x\"", FilterPhase.Ehlo, "host.example.net", "550 x")]
    [InlineData("phase ehlo match helo { host.example.net } reject \"550 x\"", FilterPhase.Helo, "host.example.net", null)]
    [InlineData("phase mail-from match auth reject \"550 x\"", FilterPhase.MailFrom, "a@example.net", "550 x")]
    [InlineData("phase mail-from match auth { joe } reject \"550 x\"", FilterPhase.MailFrom, "a@example.net", "550 x")]
    [InlineData("phase mail-from match !auth { jim } reject \"550 x\"", FilterPhase.MailFrom, "a@example.net", "550 x")]
    [InlineData("phase mail-from match mail-from { \"@example.net\" } reject \"550 x\"", FilterPhase.MailFrom, "a@example.net", "550 x")]
    [InlineData("phase mail-from match mail-from { \"@example.net\" } reject \"550 x\"", FilterPhase.MailFrom, "", null)]
    [InlineData("phase mail-from match mail-from regex { \"^$\" } reject \"550 x\"", FilterPhase.MailFrom, "a@example.net", null)]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } reject \"550 x\"", FilterPhase.RcptTo, "b@example.org", "550 x")]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } reject \"421 x\"", FilterPhase.RcptTo, "b@example.org", "421 x!")]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } rewrite \"<c@example.org>\"", FilterPhase.RcptTo, "b@example.org", "-> <c@example.org>")]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } junk", FilterPhase.RcptTo, "b@example.org", "junk")]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } report \"x\"", FilterPhase.RcptTo, "b@example.org", null)]
    [InlineData("phase rcpt-to match rcpt-to { \"b@example.org\" } bypass", FilterPhase.RcptTo, "b@example.org", null)]
    // Several conditions: all of them.
    [InlineData("phase ehlo match fcrdns !src { 203.0.113.1 } helo { \"*.net\" } reject \"550 x\"", FilterPhase.Ehlo, "host.example.net", "550 x")]
    [InlineData("phase ehlo match fcrdns src { 203.0.113.1 } helo { \"*.net\" } reject \"550 x\"", FilterPhase.Ehlo, "host.example.net", null)]
    [InlineData("phase auth match src { 192.0.2.1 } reject \"535 x\"", FilterPhase.Auth, "PLAIN abc", "535 x")]
    [InlineData("phase data match mail-from { \"a@example.net\" } reject \"550 x\"", FilterPhase.Data, "", "550 x")]
    [InlineData("phase commit match fcrdns reject \"550 x\"", FilterPhase.Commit, "", "550 x")]
    public async Task Conditions_and_decisions(string definition, FilterPhase phase, string parameter, string? outcome)
    {
        await using FilterRig rig = await Configured($"filter \"f\" {definition}", "f");
        SessionFilters session = rig.Connect();
        if (phase != FilterPhase.Connect)
        {
            session.LinkIdentify(true, "host.example.net");
            session.LinkAuth(true, "joe");
        }
        if (phase > FilterPhase.MailFrom) await session.AskAsync(FilterPhase.MailFrom, "a@example.net");
        ValueTask<FilterVerdict> asking = session.AskAsync(phase, parameter);
        Assert.True(asking.IsCompleted);
        FilterVerdict verdict = await asking;
        string? happened = verdict.Refusal is { } reply ? reply + (verdict.Closes ? "!" : "") : verdict.Rewritten is { } value ? "-> " + value : session.IsJunk ? "junk" : null;
        Assert.Equal(outcome, happened);
    }

    [Fact]
    public async Task At_the_helo_phases_the_name_just_given_counts()
    {
        await using FilterRig rig = await Configured("filter \"f\" phase helo match helo { liar.example } reject \"550 x\"", "f");
        SessionFilters session = rig.Connect();
        Assert.Equal("550 x", (await session.AskAsync(FilterPhase.Helo, "liar.example")).Refusal?.ToString());
        Assert.True((await session.AskAsync(FilterPhase.Helo, "honest.example")).Proceeds);
    }

    [Fact]
    public async Task Junk_and_rewrite_go_on_down_the_chain_and_bypass_ends_it_for_its_phase()
    {
        await using FilterRig rig = await Configured("""
            filter "mark" phase rcpt-to match fcrdns junk
            filter "turn" phase rcpt-to match rcpt-to { "b@example.org" } rewrite "<c@example.org> NOTIFY=NEVER"
            filter "friend" phase rcpt-to match rcpt-to { "friend@example.org" } bypass
            filter "last" phase rcpt-to match rcpt-to { "c@example.org", "friend@example.org" } reject "550 no"
            """, "mark", "turn", "friend", "last");
        SessionFilters session = rig.Begin();
        FilterVerdict verdict = await session.AskAsync(FilterPhase.RcptTo, "b@example.org");
        Assert.Equal("550 no", verdict.Refusal?.ToString());
        Assert.True(session.IsJunk);
        Assert.True((await session.AskAsync(FilterPhase.RcptTo, "friend@example.org")).Proceeds);
        session.TxRollback();
        Assert.False(session.IsJunk);
    }

    private static Task<FilterRig> Configured(string text, params string[] filters)
    {
        ConfigurationResult result = new FakeEnvironment().Parse(text + "\nlisten on lo port 25\naction \"a\" maildir\nmatch from any for any action \"a\"\n");
        Assert.Empty(result.Diagnostics);
        ServerConfiguration configuration = result.Configuration!;
        return FilterRig.CreateAsync([], builtins: [.. filters.Select(name => configuration.Filters[name])], tables: [.. configuration.Tables.Values]);
    }
}
