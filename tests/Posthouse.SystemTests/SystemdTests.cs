using System.Globalization;
using System.Text.RegularExpressions;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The files of packaging/systemd, judged by systemd's own tools.</summary>
public sealed class SystemdTests : IDisposable
{
    // systemd-analyze says 3.3: what is left is what a server that delivers into homes as their users cannot do without.
    private const double MostExposure = 3.5;

    private static readonly string s_source = Path.Combine(SourceTree.Root, "packaging", "systemd");

    private readonly string _folder = Directory.CreateTempSubdirectory("posthouse-systemd-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_units_are_valid()
    {
        Tool verified = await AnalyzeAsync("verify", "--man=no", "--recursive-errors=no", Copy("posthouse.service"), Copy("posthouse.socket"));
        Assert.True(verified.ExitCode == 0 && !verified.Error.Contains("posthouse.", StringComparison.Ordinal), verified.ToString());

        // That it would have said something.
        File.AppendAllText(Path.Combine(_folder, "posthouse.service"), "\n[Service]\nNoSuchSetting=1\nSystemCallFilter=@no-such-group\n");
        verified = await AnalyzeAsync("verify", "--man=no", "--recursive-errors=no", Path.Combine(_folder, "posthouse.service"));
        Assert.Contains("NoSuchSetting", verified.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_service_is_confined_as_far_as_mail_lets_it()
    {
        Tool text = await AnalyzeAsync("security", "--offline=true", "--no-pager", Copy("posthouse.service"));
        Match overall = Regex.Match(text.Output, @"Overall exposure level for posthouse\.service: ([0-9.]+)");
        Assert.True(overall.Success, text.ToString());
        Assert.InRange(double.Parse(overall.Groups[1].Value, CultureInfo.InvariantCulture), 0.1, MostExposure);
    }

    [Fact]
    public void The_users_are_those_that_the_server_asks_for()
    {
        string[] users = [.. File.ReadLines(Path.Combine(s_source, "posthouse.sysusers.conf")).Where(static line => line.StartsWith("u ", StringComparison.Ordinal)).Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1])];
        Assert.Equal(Posthouse.Server.Hosting.ServiceUsers.Default.All, users);
        Assert.Contains("d /var/spool/posthouse/offline 1733 root root -", File.ReadLines(Path.Combine(s_source, "posthouse.tmpfiles.conf")));
    }

    // What the unit leaves the parent must be enough for all that it does.
    [Fact]
    public async Task The_capabilities_of_the_unit_are_enough_to_bind_deliver_and_confine()
    {
        if (!SystemAccounts.IsRoot) return;
        string[] capabilities = [.. Setting("CapabilityBoundingSet").Split(' ').Select(static name => "+" + name["CAP_".Length..].ToLowerInvariant())];
        Assert.Contains("+setuid", capabilities);
        string bounds = "-all," + string.Join(',', capabilities);
        string mailbox = "pt" + Guid.NewGuid().ToString("N")[..12];
        try
        {
            await using RunningServer server = await StartAsync(mailbox, "setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs");
            Assert.Matches(new Regex(@"\nCapBnd:\t0*(?!0\n)[0-9a-f]{1,5}\n"), File.ReadAllText($"/proc/{server.ProcessId}/status"));
            await DeliverAsync(server, mailbox);
            Assert.Equal(0, await server.StopAsync());
        }
        finally
        {
            await Tool.RunAsync("rm", "-f", $"/var/mail/{mailbox}", $"/var/mail/{mailbox}.lock");
        }
    }

    [Fact]
    public async Task The_system_calls_of_the_unit_are_enough_for_the_server_and_its_deliveries()
    {
        if (!SystemAccounts.IsRoot) return;
        HashSet<string> allowed = [];
        foreach (string name in Setting("SystemCallFilter").Split(' ')) await ExpandAsync(name, allowed);
        Assert.Contains("openat", allowed);
        Assert.DoesNotContain("mount", allowed);
        string summary = Path.Combine(_folder, "calls"), mailbox = "pt" + Guid.NewGuid().ToString("N")[..12];
        try
        {
            await using (RunningServer server = await StartAsync(mailbox, "strace", "-f", "-c", "-U", "name", "-o", summary))
            {
                await DeliverAsync(server, mailbox);
                string parent = File.ReadAllText($"/proc/{server.ProcessId}/task/{server.ProcessId}/children").Trim();
                await Tool.RunAsync("kill", "-TERM", parent);
                Assert.Equal(0, await server.WaitForExitAsync());
            }

            string[] used = [.. File.ReadLines(summary).Select(static line => line.Trim()).Where(static line => line.Length > 0 && line != "total" && !line.StartsWith('-') && line != "syscall")];
            Assert.Contains("setresuid", used);
            Assert.Contains("seccomp", used);
            Assert.All(used, call => Assert.Contains(call, allowed));
        }
        finally
        {
            await Tool.RunAsync("rm", "-f", $"/var/mail/{mailbox}", $"/var/mail/{mailbox}.lock");
        }
    }

    private static Task<RunningServer> StartAsync(string mailbox, params string[] launcher) => RunningServer.StartAsync($$"""
        pki mx.example.org cert "{dir}/mx.example.org.crt"
        pki mx.example.org key "{dir}/mx.example.org.key"
        listen on 127.0.0.1 port {port} tls pki mx.example.org
        table people { {{mailbox}} = "{uid}:{gid}:{home}" }
        table everybody { "@" = "{user}" }
        action "box" mbox userbase <people>
        action "program" mda "/bin/cat > {home}/piped" user "{user}" virtual <everybody>
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for domain { "box.example.org" } action "box"
        match from any for domain { "program.example.org" } action "program"
        match from any for any action "mailbox"
        """, prepare: server =>
        {
            Certificates.Make(server.Folder, "mx.example.org");
            // As the file of a key is, and as the home of a user is.
            File.SetUnixFileMode(server.Home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            server.WriteOwn(server.Home + "/.forward", "\\" + mailbox + "\n");
            server.Launcher = launcher;
        });

    private static async Task DeliverAsync(RunningServer server, string mailbox)
    {
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            await client.SayAsync("EHLO client.example.org", "250");
            await client.SayAsync("STARTTLS", "220");
            await client.EncryptAsync();
            await client.SayAsync("EHLO client.example.org", "250");
            foreach (string recipient in (string[])[$"{mailbox}@box.example.org", "x@program.example.org", "you@example.org"])
                Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", [recipient], "Subject: x\n\nbody"), StringComparison.Ordinal);
            await client.SayAsync("QUIT", "221");
        }

        await server.ReadMailAsync("you");
        await server.WaitForFileAsync(server.Home + "/piped", static text => text.EndsWith("body\n", StringComparison.Ordinal));
        await server.WaitForFileAsync($"/var/mail/{mailbox}", static text => text.Contains("\nbody\n", StringComparison.Ordinal));
        Assert.DoesNotContain(server.Lines, static line => line.Contains("runs without", StringComparison.Ordinal));
    }

    private static string Setting(string name) => File.ReadLines(Path.Combine(s_source, "posthouse.service")).Single(line => line.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];

    private static async Task ExpandAsync(string name, HashSet<string> calls)
    {
        if (!name.StartsWith('@'))
        {
            calls.Add(name);
            return;
        }

        Tool set = await AnalyzeAsync("syscall-filter", name);
        Assert.True(set.ExitCode == 0, set.ToString());
        foreach (string line in set.Output.Split('\n').Skip(1).Select(static line => line.Trim()).Where(static line => line.Length > 0 && line[0] != '#')) await ExpandAsync(line, calls);
    }

    private static Task<Tool> AnalyzeAsync(params string[] arguments) => Tool.RunAsync("systemd-analyze", arguments, environment: new Dictionary<string, string> { ["SYSTEMD_COLORS"] = "0", ["LC_ALL"] = "C.UTF-8" });

    // The unit as it is, but for the place of the executable.
    private string Copy(string name)
    {
        string copy = Path.Combine(_folder, name);
        string unit = File.ReadAllText(Path.Combine(s_source, name));
        File.WriteAllText(copy, unit.Replace("/usr/bin/posthouse ", SourceTree.Executable + " ", StringComparison.Ordinal));
        return copy;
    }
}
