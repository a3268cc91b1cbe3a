using Posthouse.Server.Receiving;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Tests.Receiving;

public class SenderPolicyTests
{
    [Theory]
    [InlineData("joe", "joe@example.org", true)]
    [InlineData("joe", "JOE+tag@Example.org", true)]
    [InlineData("joe", "any@sub.joe.example", true)]
    [InlineData("joe", "ann@example.org", false)]
    [InlineData("joe", null, false)]
    [InlineData("ann", "joe@example.org", false)]
    [InlineData("all", "whoever@example.net", true)]
    public async Task A_user_sends_as_the_addresses_of_his_entry(string user, string? sender, bool allowed)
    {
        TableDefinition definition = new("senders", TableKind.Mapping, TableSource.Inline)
        {
            Entries = [new("joe", "joe@example.org, @*.joe.example"), new("all", "@")],
        };
        await using TableSet tables = await TableSet.OpenAsync([definition], new TableOptions(), TestContext.Current.CancellationToken);
        Mailbox? mailbox = null;
        Assert.True(sender == null || Mailbox.TryParse(sender, out mailbox));
        Assert.Equal(allowed ? null : 530, (await SenderPolicy.JudgeAsync(tables[definition], user, mailbox, '+'))?.Code);
    }
}
