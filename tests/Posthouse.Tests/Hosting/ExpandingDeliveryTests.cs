using System.Text;
using Posthouse.Server.Control;

namespace Posthouse.Tests.Hosting;

public sealed class ExpandingDeliveryTests
{
    private const string Configuration = """
        listen on 127.0.0.1 port {a}
        table aliases file:{dir}/aliases
        action "a" maildir "/dev/null" alias <aliases>
        match from any for domain "a.example" action "a"
        """;

    [Theory]
    [InlineData("team: nobody", "expanded again to 1")]
    [InlineData("team: nobody, NOBODY@a.example", "expanded again to 1")]
    public async Task Mail_for_a_command_that_is_gone_goes_where_its_address_leads_now(string alias, string logged)
    {
        await using EngineRig rig = await StartAsync("team: |command");
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("team@a.example");
        await EngineRig.UntilAsync(() => Count(rig.Log, "result=TempFail") >= 1, "the delivery is deferred while the command is still there");

        await ChangeAsync(rig, alias);
        await rig.TryUntilAsync(() => rig.Log.Contains(logged, StringComparison.Ordinal), "the address is expanded again");
        await rig.TryUntilAsync(() => !rig.Delivered.IsEmpty, "what it expands to is delivered");
        Assert.Equal([("a", "team@a.example")], rig.Delivered);
        Assert.DoesNotContain("bounce", rig.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_address_leads_nowhere_the_mail_waits()
    {
        await using EngineRig rig = await StartAsync("team: |command");
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("team@a.example");
        await EngineRig.UntilAsync(() => Count(rig.Log, "result=TempFail") >= 1, "the delivery is deferred");
        await ChangeAsync(rig, "other: nobody");
        await rig.TryUntilAsync(() => Count(rig.Log, "result=TempFail") >= 2, "it is deferred again");

        await ChangeAsync(rig, "team: nobody");
        await rig.TryUntilAsync(() => rig.Log.Contains("expanded again to 1", StringComparison.Ordinal), "it is expanded when it leads somewhere again");
        await rig.TryUntilAsync(() => !rig.Delivered.IsEmpty, "it is delivered");
    }

    [Fact]
    public async Task A_source_that_changes_each_time_makes_one_expansion_a_try()
    {
        await using EngineRig rig = await StartAsync("team: |command");
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("team@a.example");
        await EngineRig.UntilAsync(() => Count(rig.Log, "result=TempFail") >= 1, "the delivery is deferred");
        for (int round = 1; round <= 3; round++)
        {
            await ChangeAsync(rig, round % 2 == 0 ? "team: |command" : "team: other\nother: |command");
            await rig.TryUntilAsync(() => Count(rig.Log, "expanded again to 1") == round, $"expansion {round}");
        }

        Assert.Equal(3, Count(rig.Log, "expanded again"));
        Assert.Empty(rig.Delivered);
    }

    [Fact]
    public async Task An_entry_that_waits_in_the_queue_gets_no_second_message()
    {
        await using EngineRig rig = await StartAsync("team: |command, nobody");
        TaskCompletionSource gate = new();
        rig.Gate = gate.Task;
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("team@a.example");
        await EngineRig.UntilAsync(() => Count(rig.Log, "result=TempFail") >= 1, "the command is deferred while the mailbox waits");
        await ChangeAsync(rig, "team: nobody");
        await rig.TryUntilAsync(() => rig.Log.Contains("expanded again to 0", StringComparison.Ordinal), "the address is expanded again");
        gate.SetResult();
        await EngineRig.UntilAsync(() => rig.Log.Contains("result=Ok", StringComparison.Ordinal), "the mailbox has it");
        Assert.Single(rig.Delivered);
    }

    private static async Task<EngineRig> StartAsync(string alias)
    {
        EngineRig rig = new();
        await File.WriteAllTextAsync(Path.Combine(rig.Folder, "aliases"), alias + "\n", TestContext.Current.CancellationToken);
        await rig.BeginAsync(Configuration);
        return rig;
    }

    private static async Task ChangeAsync(EngineRig rig, string alias)
    {
        await File.WriteAllTextAsync(Path.Combine(rig.Folder, "aliases"), alias + "\n", Encoding.ASCII, TestContext.Current.CancellationToken);
        await rig.ControlAsync(ControlVerb.UpdateTable, "aliases");
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
