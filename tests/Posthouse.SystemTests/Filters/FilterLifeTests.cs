using System.Diagnostics;
using System.Globalization;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>How long a filter lives: as long as its configuration stands, and never longer than the server.</summary>
public class FilterLifeTests
{
    private static string Configuration(string options, string before = "") => before + FilterScript.Configuration(FilterScript.Statement("plain", options: options), "\"plain\"");

    private static async Task ReloadAsync(RunningServer server, string configuration)
    {
        await File.WriteAllTextAsync(server.ConfigurationFile, server.Fill(configuration), TestContext.Current.CancellationToken);
        Tool done = await server.ControlAsync("reload");
        Assert.True(done.ExitCode == 0, done.ToString());
    }

    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static Task EndedAsync(RunningServer server, int process) => server.WaitForAsync(() => IsRunning(process) ? null : "", () => $"pid {process} still runs");

    [Fact]
    public async Task A_reload_keeps_what_is_the_same_and_starts_what_changed_beside_the_old()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration("timeout 20s"), prepare: FilterScript.Copy);
        using SmtpClient old = await SmtpClient.ConnectAsync(server.Port);
        await old.SayAsync("EHLO old.example.org", "250");
        int first = Assert.Single(FilterScript.ProcessesOf(server, "plain"));

        await ReloadAsync(server, Configuration("timeout 20s", "smtp max-message-size 10M\n"));
        await server.AcceptAsync("same@example.org");
        Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync("same"), StringComparison.Ordinal);
        Assert.Equal([first], FilterScript.ProcessesOf(server, "plain"));

        await ReloadAsync(server, Configuration("timeout 21s"));
        await server.AcceptAsync("changed@example.org");
        Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync("changed"), StringComparison.Ordinal);
        int[] both = FilterScript.ProcessesOf(server, "plain");
        Assert.Equal(2, both.Length);
        // The session from before goes on with the process from before, which ends with it.
        Assert.StartsWith("250 ", await old.SendMessageAsync("me@example.org", ["old@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync("old"), StringComparison.Ordinal);
        Assert.True(IsRunning(first));
        await old.SayAsync("QUIT", "221");
        await EndedAsync(server, first);

        await ReloadAsync(server, RunningServer.Simple);
        await server.AcceptAsync("without@example.org");
        Assert.DoesNotContain("X-Filtered", await server.ReadMailAsync("without"), StringComparison.Ordinal);
        await EndedAsync(server, both[1]);
    }

    [Fact]
    public async Task Another_engine_has_filters_of_its_own_and_those_of_the_dead_one_end()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration(""), prepare: FilterScript.Copy);
        await server.AcceptAsync("before@example.org");
        int first = Assert.Single(FilterScript.ProcessesOf(server, "plain"));
        using (Process kill = Process.Start("kill", ["-KILL", Assert.Single(server.ProcessesOf("engine")).ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await EndedAsync(server, first);
        await server.WaitForAsync(() => FilterScript.ProcessesOf(server, "plain").Length >= 2 ? "" : null, static () => "no other filter");
        await server.AcceptAsync("after@example.org");
        Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync("after"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none")]
    // One that hears neither the end of its input nor SIGTERM.
    [InlineData("stubborn")]
    public async Task None_outlives_the_server(string fault)
    {
        await using RunningServer server = await FilterScript.ServeAsync("faulty", fault);
        await server.AcceptAsync("you@example.org");
        int process = Assert.Single(FilterScript.ProcessesOf(server, "faulty"));
        Assert.True(IsRunning(process));
        Assert.Equal(0, await server.StopAsync());
        await EndedAsync(server, process);
    }

    // Nobody is left to send it a signal, but its input ends.
    [Fact]
    public async Task None_outlives_a_server_that_is_killed()
    {
        await using RunningServer server = await FilterScript.ServeAsync("faulty", "none");
        await server.AcceptAsync("you@example.org");
        int process = Assert.Single(FilterScript.ProcessesOf(server, "faulty"));
        await server.KillParentAsync();
        await EndedAsync(server, process);
    }
}
