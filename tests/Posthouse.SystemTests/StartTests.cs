using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Starts that must fail, and how; and the check of configurations.</summary>
public class StartTests
{
    [Fact]
    public async Task A_second_server_on_the_same_state_is_refused_and_one_with_its_own_is_not()
    {
        await using RunningServer first = await RunningServer.StartAsync();
        Tool second = await Tool.RunAsync(SourceTree.Executable, ["serve", "-f", first.ConfigurationFile, "--state", first.State, .. Users]);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains($"{first.State} is in use by a running server (process {first.ProcessId})", second.Error, StringComparison.Ordinal);

        await using RunningServer other = await RunningServer.StartAsync();
        await first.AcceptAsync("you@example.org", "Subject: one\n\nbody");
        await other.AcceptAsync("you@example.org", "Subject: two\n\nbody");
        Assert.Contains("Subject: one", await first.ReadMailAsync("you"), StringComparison.Ordinal);
        Assert.Contains("Subject: two", await other.ReadMailAsync("you"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using TcpListener taken = new(IPAddress.Loopback, RunningServer.FreePort());
        taken.Start();
        string address = taken.LocalEndpoint.ToString()!;
        Tool refused = await RunningServer.RefusedAsync(RunningServer.Simple.Replace("127.0.0.1 port {port}", $"127.0.0.1 port {((IPEndPoint)taken.LocalEndpoint).Port}"));
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"cannot listen on {address}: ", refused.Error, StringComparison.Ordinal);
        Assert.Contains("in use", refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("info: ready", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_errors_of_a_configuration_are_named_with_their_places()
    {
        const string Wrong = """
            listen on 127.0.0.1 port {port}
            table t { "a" = "b" }
            action "x" maildri
            match from any for any action "missing"
            match from any for domain <nothing> reject
            """;
        Tool served = await RunningServer.RefusedAsync(Wrong);
        Assert.Equal(1, served.ExitCode);
        foreach (int line in (int[])[3, 4, 5]) Assert.Contains($"smtpd.conf:{line}:", served.Error, StringComparison.Ordinal);
        foreach (string word in (string[])["maildri", "missing", "nothing"]) Assert.Contains(word, served.Error, StringComparison.Ordinal);
        Assert.Equal(1, (await RunningServer.RefusedAsync(Wrong, "-n")).ExitCode);

        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, Wrong.Replace("{port}", "2525"), TestContext.Current.CancellationToken);
            Tool check = await Tool.RunAsync(SourceTree.Executable, "check", "-f", file, "--json");
            Assert.Equal(1, check.ExitCode);
            using JsonDocument document = JsonDocument.Parse(check.Output);
            Assert.True(document.RootElement.GetRawText().Contains("maildri", StringComparison.Ordinal), check.Output);

            await File.WriteAllTextAsync(file, "port = 2525\nlisten on 127.0.0.1 port $port\naction \"x\" maildir\nmatch for local action \"x\"\n", TestContext.Current.CancellationToken);
            foreach (string[] words in (string[][])[["check", "-f", file], ["serve", "-n", "-f", file], ["serve", "-n", "-f", file, "-D", "port=25"]])
            {
                Tool good = await Tool.RunAsync(SourceTree.Executable, words);
                Assert.Equal((0, "configuration OK\n"), (good.ExitCode, good.Error));
            }

            Tool defined = await Tool.RunAsync(SourceTree.Executable, "check", "-f", file, "-D", "port=99999");
            Assert.Equal(1, defined.ExitCode);
            Assert.Contains("99999", defined.Error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_configuration_that_cannot_be_read_is_named()
    {
        Tool missing = await Tool.RunAsync(SourceTree.Executable, "serve", "-n", "-f", "/no/such/smtpd.conf");
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains("/no/such/smtpd.conf", missing.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", missing.Error, StringComparison.Ordinal);
        Tool folder = await Tool.RunAsync(SourceTree.Executable, "check", "-f", "/tmp");
        Assert.Equal(1, folder.ExitCode);
        Assert.DoesNotContain("Exception", folder.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_or_key_that_cannot_be_used_is_named()
    {
        Tool refused = await RunningServer.RefusedAsync(Certificates.Pki("mx.example.org") + RunningServer.Simple.Replace("port {port}", "port {port} tls pki mx.example.org"));
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("mx.example.org.", refused.Error, StringComparison.Ordinal);
        Assert.Contains("smtpd.conf:", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_users_are_named_when_started_by_root()
    {
        if (!SystemAccounts.IsRoot)
        {
            // Anybody else needs none: that is what every other test shows.
            Assert.False(Environment.IsPrivilegedProcess);
            return;
        }

        string file = Path.GetTempFileName();
        string state = Directory.CreateTempSubdirectory("posthouse-test-").FullName;
        try
        {
            await File.WriteAllTextAsync(file, $"listen on 127.0.0.1 port {RunningServer.FreePort()}\naction \"x\" maildir\nmatch for local action \"x\"\n", TestContext.Current.CancellationToken);
            Tool refused = await Tool.RunAsync(SourceTree.Executable, "serve", "-f", file, "--state", state, "--users", "nobody,no-such-user-a,nobody,no-such-user-b");
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("no-such-user-a, no-such-user-b", refused.Error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
            Directory.Delete(state, recursive: true);
        }
    }

    [Theory]
    [InlineData("serve", "--no-such-option")]
    [InlineData("serve", "-P", "everything")]
    [InlineData("serve", "--users", "only,two")]
    [InlineData("no-such-command", "")]
    public async Task A_wrong_command_line_gets_the_usage(params string[] words)
    {
        Tool refused = await Tool.RunAsync(SourceTree.Executable, words);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("usage: posthouse", refused.Error, StringComparison.Ordinal);
    }

    private static string[] Users => SystemAccounts.IsRoot ? ["--users", "nobody,nobody,nobody,nobody"] : [];
}
