using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

public class DeliveryProgramTests
{
    private static LocalSite Site(string command, TimeSpan? limit = null, string? wrapper = null) => new(new LocalMethod.Mda(command), limit, wrapper);

    [Fact]
    public async Task A_plain_command_gets_its_specifiers_as_single_arguments_and_the_message_on_its_input()
    {
        await using LocalSite site = Site("/usr/bin/install -m 600 /dev/stdin %{user.directory}/%{sender}");
        DeliveryResult result = await site.DeliverAsync(sender: "a b;c@example.org");
        Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text));
        Assert.Equal("Return-Path: <a b;c@example.org>\nDelivered-To: rcpt+tag@example.com\nSubject: x\n\nbody\n", site.Read("a b;c@example.org"));
    }

    [Fact]
    public async Task The_environment_is_the_reference_s_and_nothing_else()
    {
        await using LocalSite site = Site("env > env; pwd > pwd");
        await site.DeliverAsync();
        string[] variables = [.. site.Read("env").Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.StartsWith("PWD=", StringComparison.Ordinal) && !line.StartsWith("_=", StringComparison.Ordinal) && !line.StartsWith("OLDPWD=", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["DOMAIN=example.com", "EXTENSION=tag", $"HOME={site.Home}", "LOCAL=rcpt+tag", $"LOGNAME={site.Account.Name}", "ORIGINAL_RECIPIENT=rcpt+tag@example.com",
             "PATH=/usr/bin:/bin", "RECIPIENT=user@example.net", "SENDER=sender@example.org", "SHELL=/bin/sh", $"USER={site.Account.Name}"],
            variables);
        Assert.Equal(site.Home + "\n", site.Read("pwd"));
    }

    [Fact]
    public async Task It_runs_as_its_user_in_a_session_of_its_own_without_a_way_to_more()
    {
        await using LocalSite site = Site("id -u > uid; ls /proc/self/fd > fds; grep NoNewPrivs /proc/self/status > privileges; cut -d' ' -f6 /proc/$$/stat > session; echo $$ > pid; umask > umask; grep -E 'SigIgn|SigBlk' /proc/self/status > signals");
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
        Assert.Equal($"{site.Account.Uid}\n", site.Read("uid"));
        Assert.Equal(["0", "1", "2", "3"], site.Read("fds").Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.EndsWith("1\n", site.Read("privileges"), StringComparison.Ordinal);
        Assert.Equal(site.Read("pid"), site.Read("session"));
        Assert.Equal("0077\n", site.Read("umask"));
        Assert.All(site.Read("signals").Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.EndsWith("0000000", line, StringComparison.Ordinal));
    }

    // The write-up of 2026 on %{sender:raw}: here no value is parsed by any shell, however the administrator quoted it.
    [Theory]
    [InlineData("printf '%%s' %{sender:raw} > got")]
    [InlineData("printf '%%s' \"%{sender:raw}\" > got")]
    [InlineData("printf '%%s' '%{sender:raw}' > got")]
    [InlineData("printf '%%s' \"$(printf '%%s' \"%{sender:raw}\")\" > got")]
    [InlineData("sh -c 'printf \"%%s\" %{sender:raw} > got'")]
    [InlineData("sh -c \"printf '%%s' %{sender:raw} > got\"")]
    [InlineData("eval 'printf \"%%s\" %{sender:raw} > got'")]
    public async Task No_byte_of_an_address_is_parsed_by_a_shell(string command)
    {
        const string Evil = "\"`touch pwned`$(touch pwned);touch pwned #'\\\"@example.org";
        await using LocalSite site = Site("cat > message; " + command);
        DeliveryResult result = await site.DeliverAsync(sender: Evil);
        Assert.Equal(DeliveryOutcome.Delivered, result.Outcome);
        Assert.Equal(Evil, site.Read("got"));
        Assert.False(File.Exists(site.Home + "/pwned"));
    }

    [Theory]
    [InlineData("sh -c %{sender:raw}")]
    [InlineData("sh -c %{sender:raw} > got")]
    [InlineData("%{sender.user}")]
    [InlineData("/bin/echo %{sender}")]
    public async Task A_value_is_never_a_script_a_program_or_an_option(string command)
    {
        await using LocalSite site = Site(command);
        Assert.Equal(DeliveryOutcome.Permanent, (await site.DeliverAsync(sender: "-touch@example.org")).Outcome);
    }

    [Theory]
    [InlineData("exit 75", DeliveryOutcome.Temporary)]
    [InlineData("exit 71", DeliveryOutcome.Temporary)]
    [InlineData("exit 1", DeliveryOutcome.Permanent)]
    [InlineData("exit 67", DeliveryOutcome.Permanent)]
    [InlineData("kill -9 $$", DeliveryOutcome.Temporary)]
    [InlineData("/no/such/program", DeliveryOutcome.Temporary)]
    public async Task The_exit_decides(string command, DeliveryOutcome outcome)
    {
        await using LocalSite site = Site(command);
        Assert.Equal(outcome, (await site.DeliverAsync()).Outcome);
    }

    [Fact]
    public async Task The_last_line_of_the_output_is_the_error()
    {
        await using LocalSite site = Site("echo first; printf 'the \\033[1mreason\\007\\n' >&2; exit 1");
        DeliveryResult result = await site.DeliverAsync();
        Assert.Equal("the [1mreason", result.Text);
    }

    [Fact]
    public async Task A_program_that_stops_reading_has_not_delivered()
    {
        await using LocalSite site = Site("exit 0");
        string large = "Subject: x\r\n\r\n" + string.Concat(Enumerable.Repeat("more than a pipe holds\r\n", 40_000));
        Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync(large)).Outcome);
    }

    [Fact]
    public async Task A_program_that_writes_before_it_reads_is_heard()
    {
        await using LocalSite site = Site("head -c 300000 /dev/zero | tr '\\0' x; cat > got");
        string large = "Subject: x\r\n\r\n" + string.Concat(Enumerable.Repeat("more than a pipe holds\r\n", 40_000));
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync(large)).Outcome);
        Assert.EndsWith(large[^1000..].Replace("\r\n", "\n"), site.Read("got"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task At_its_deadline_the_whole_process_group_is_killed()
    {
        await using LocalSite site = Site("echo $$ > pid; sleep 600 & echo $! > child; wait", TimeSpan.FromSeconds(1));
        DeliveryResult result = await site.DeliverAsync();
        Assert.Equal((DeliveryOutcome.Temporary, "the delivery program took too long"), (result.Outcome, result.Text));
        Assert.True(SpinWait.SpinUntil(() => !IsRunning(site.Read("child").Trim()), TimeSpan.FromSeconds(10)), "the child of the program still runs");
    }

    [Fact]
    public async Task A_wrapper_gets_the_command_in_its_place()
    {
        await using LocalSite site = Site("cat", wrapper: "%{mda} > wrapped");
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
        Assert.EndsWith("body\n", site.Read("wrapped"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("X-Spam: yes\r\n", "Maildir/.Junk/new")]
    [InlineData("X-Spam: no\r\n", "Maildir/new")]
    public async Task A_maildir_can_be_wrapped_too(string header, string folder)
    {
        await using LocalSite site = new(new LocalMethod.Maildir(Junk: true), wrapper: "env WRAPPED=1 %{mda}");
        DeliveryResult result = await site.DeliverAsync(header + "Subject: x\r\n\r\nbody\r\n");
        Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text));
        Assert.EndsWith("Subject: x\n\nbody\n", File.ReadAllText(Assert.Single(Directory.GetFiles(Path.Combine(site.Home, folder)))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrapper_that_hides_where_to_store_fails_for_now()
    {
        await using LocalSite site = new(new LocalMethod.Maildir(), wrapper: "env -i %{mda}");
        Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync()).Outcome);
    }

    // CVE-2020-8794 put a command into an envelope; an envelope holds none, and what its source names is read again.
    [Fact]
    public async Task A_pipe_of_an_alias_or_forward_runs_by_what_stands_there_now()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync(source: "forward:user:0")).Outcome);
        site.Entry = $"|cat > {site.Home}/piped";
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync(source: "forward:user:0")).Outcome);
        Assert.EndsWith("body\n", site.Read("piped"), StringComparison.Ordinal);
        site.Entry = $"|cat > {site.Home}/alias";
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync(source: "alias:list:0")).Outcome);
        Assert.EndsWith("body\n", site.Read("alias"), StringComparison.Ordinal);
    }

    private static bool IsRunning(string process) =>
        File.Exists($"/proc/{process}/stat") && !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
}
