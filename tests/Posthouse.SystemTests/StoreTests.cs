using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Every store behind the whole server, and a spool whose disk is full.</summary>
public class StoreTests
{
    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    [InlineData("ram")]
    public async Task Every_store_carries_large_and_small_mail(string backend)
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter($"queue backend {backend}"));
        string large = "Subject: large\n\n" + string.Concat(Enumerable.Range(0, 60_000).Select(i => $"line {i} of a large message\n")).TrimEnd();
        await server.AcceptAsync("large@example.org", large);
        await server.AcceptAsync("small@example.org", "Subject: small\n\nbody");
        Assert.EndsWith(large[large.IndexOf("\n\n", StringComparison.Ordinal)..] + "\n", await server.ReadMailAsync("large"), StringComparison.Ordinal);
        await server.ReadMailAsync("small");
        Assert.Equal(0, await server.StopAsync());
        Assert.DoesNotContain(server.Lines, line => line.Contains("Exception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_null_store_takes_everything_and_keeps_nothing()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter("queue backend null"));
        await server.AcceptAsync("you@example.org");
        Assert.Equal(0, await server.StopAsync());
        await server.StartAgainAsync();
        Assert.False(Directory.Exists(server.Mail + "/you"));
    }

    [Fact]
    public async Task The_command_line_of_smtpd_chooses_the_store()
    {
        await using RunningServer server = await RunningServer.StartAsync(arguments: ["-B", "queue=fs", "-P", "mda"]);
        await server.AcceptAsync("you@example.org");
        Assert.True(Directory.Exists(server.State + "/spool/fs"), string.Join(' ', Directory.GetFileSystemEntries(server.State + "/spool")));
    }

    [Fact]
    public async Task Nobody_else_can_look_into_the_spool()
    {
        await using RunningServer server = await RunningServer.StartAsync(arguments: ["-P", "mda"]);
        await server.AcceptAsync("you@example.org");
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(server.State + "/spool") & Others);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(server.State + "/lock") & Others);
    }
}
