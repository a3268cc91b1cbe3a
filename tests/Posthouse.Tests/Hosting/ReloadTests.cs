using System.Globalization;
using System.Net.Sockets;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;
using Posthouse.Tests.Transport;

namespace Posthouse.Tests.Hosting;

public sealed class ReloadTests
{
    [Fact]
    public async Task A_session_ends_by_the_rules_it_began_with_and_the_next_has_the_new_ones()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("old.example"));
        using EngineClient before = await rig.ConnectAsync(rig.A);
        await before.SayAsync("MAIL FROM:<a@example.net>", "250");
        await rig.ReloadedAsync(EngineRig.Taking("new.example"));

        await before.SayAsync("RCPT TO:<joe@new.example>", "550");
        await before.SayAsync("RCPT TO:<joe@old.example>", "250");
        using EngineClient after = await rig.ConnectAsync(rig.A);
        await after.SayAsync("MAIL FROM:<a@example.net>", "250");
        await after.SayAsync("RCPT TO:<joe@old.example>", "550");
        await after.SayAsync("RCPT TO:<joe@new.example>", "250");
        await before.SayAsync("QUIT", "221");
    }

    [Fact]
    public async Task Tables_stay_open_for_the_sessions_that_use_them_and_are_closed_after_the_last()
    {
        CountingFiles files = new();
        string Configuration(string domains) => $$"""
            listen on 127.0.0.1 port {a}
            table domains db:{dir}/{{domains}}.db
            table everybody { "@" = "nobody" }
            action "a" maildir "/dev/null" virtual <everybody>
            match from any for domain <domains> action "a"
            """;
        await using EngineRig rig = new(files);
        foreach (string name in (string[])["old", "new"])
            TableDatabase.Build(TableSourceText.Parse(System.Text.Encoding.ASCII.GetBytes($"{name}.example\n"), "/d", TableSourceType.Set), $"{rig.Folder}/{name}.db");
        await rig.BeginAsync(Configuration("old"));
        using EngineClient before = await rig.ConnectAsync(rig.A);
        await rig.ReloadedAsync(Configuration("new"));
        Assert.Equal(2, rig.Server.Generations.Count);
        File.Delete($"{rig.Folder}/old.db");
        await before.SayAsync("MAIL FROM:<a@example.net>", "250");
        await before.SayAsync("RCPT TO:<joe@old.example>", "250");

        ITable old = rig.Server.Generations[0].Tables[rig.Server.Generations[0].Configuration.Tables["domains"]];
        Assert.True((await old.CheckAsync(TableService.Domain, "old.example", TestContext.Current.CancellationToken)).IsFound);
        await before.SayAsync("QUIT", "221");
        await EngineRig.UntilAsync(() => rig.Server.Generations.Count == 1, "the old configuration is given up");
        Assert.False((await old.CheckAsync(TableService.Domain, "old.example", TestContext.Current.CancellationToken)).IsFound);
        Assert.Equal(["old", "new"], files.Opened.Select(static path => Path.GetFileNameWithoutExtension(path)).Distinct());
    }

    [Fact]
    public async Task Listeners_come_and_go_and_those_that_stay_lose_no_connection()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example", "listen on 127.0.0.1 port {b}"));
        using EngineClient onGone = await rig.ConnectAsync(rig.B);
        Assert.True(await EngineRig.IsRefusedAsync(rig.C));
        await rig.ReloadedAsync(EngineRig.Taking("b.example", "listen on 127.0.0.1 port {c}"));
        Assert.True(await EngineRig.IsRefusedAsync(rig.B));
        using EngineClient onNew = await rig.ConnectAsync(rig.C);
        await onNew.SendAsync("joe@b.example");
        await onGone.SendAsync("joe@a.example");
        using EngineClient onKept = await rig.ConnectAsync(rig.A);
        await onKept.SendAsync("joe@b.example");
    }

    [Fact]
    public async Task What_waits_in_the_backlog_of_a_listener_is_served_by_the_new_configuration()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("old.example"));
        rig.Server.IsSmtpPaused = true;
        EngineClient[] waiting = [.. await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => EngineClient.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, rig.A))))];
        await rig.ReloadedAsync(EngineRig.Taking("new.example"));
        rig.Server.IsSmtpPaused = false;
        foreach (EngineClient client in waiting)
        {
            using (client)
            {
                Assert.StartsWith("220 ", await client.ReadAsync(), StringComparison.Ordinal);
                await client.SayAsync("HELO x.example", "250");
                await client.SendAsync("joe@new.example");
            }
        }
    }

    [Fact]
    public async Task A_wildcard_address_takes_the_place_of_a_narrower_one_and_the_other_way_round()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example", "listen on 127.0.0.1 port {b}"));
        await rig.ReloadedAsync(EngineRig.Taking("a.example", "listen on 0.0.0.0 port {b}"));
        using (EngineClient client = await rig.ConnectAsync(rig.B)) await client.SendAsync("joe@a.example");
        await rig.ReloadedAsync(EngineRig.Taking("a.example", "listen on 127.0.0.1 port {b}"));
        using (EngineClient client = await rig.ConnectAsync(rig.B)) await client.SendAsync("joe@a.example");
    }

    [Fact]
    public async Task What_cannot_be_bound_changes_nothing_and_names_the_directive()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, rig.C));
        taken.Listen();
        ReloadResult result = await rig.ReloadAsync(EngineRig.Taking("b.example", "listen on 127.0.0.1 port {b}\nlisten on 127.0.0.1 port {c}"));
        Assert.StartsWith(string.Create(CultureInfo.InvariantCulture, $"smtpd.conf:2:1: cannot listen on 127.0.0.1:{rig.C}: "), result.Fault!.Detail, StringComparison.Ordinal);
        Assert.True(await EngineRig.IsRefusedAsync(rig.B));
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("joe@a.example");
    }

    [Fact]
    public async Task A_certificate_that_cannot_be_used_leaves_the_old_configuration_in_force()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        (string certificate, string key) = TestCertificate.For("mx.example.org").Save(rig.Folder, "mx");
        await File.WriteAllTextAsync(certificate, "nonsense", TestContext.Current.CancellationToken);
        string pki = $"pki \"one\" cert \"{certificate}\"\npki \"one\" key \"{key}\"\n";
        ReloadResult result = await rig.ReloadAsync(EngineRig.Taking("b.example", pki + "listen on 127.0.0.1 port {b} tls pki \"one\""));
        Assert.Contains("pki one", result.Fault!.Detail, StringComparison.Ordinal);
        Assert.StartsWith("smtpd.conf:3:", result.Fault.Detail, StringComparison.Ordinal);
        Assert.True(await EngineRig.IsRefusedAsync(rig.B));
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("joe@a.example");
        Assert.Single(rig.Server.Generations);
    }

    [Fact]
    public async Task A_table_that_cannot_be_read_leaves_the_old_configuration_in_force()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        string path = Path.Combine(rig.Folder, "list");
        await File.WriteAllTextAsync(path, "one\n", TestContext.Current.CancellationToken);
        var configuration = rig.Parse(EngineRig.Taking("b.example", "table list file:{dir}/list"));
        File.Delete(path);
        ReloadResult result = await rig.Server.ApplyAsync(configuration, [], TestContext.Current.CancellationToken);
        Assert.StartsWith("smtpd.conf:1:", result.Fault!.Detail, StringComparison.Ordinal);
        Assert.Contains("table list: ", result.Fault.Detail, StringComparison.Ordinal);
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await client.SendAsync("joe@a.example");
    }

    [Fact]
    public async Task Limits_change_at_once_and_end_no_session()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        using EngineClient first = await rig.ConnectAsync(rig.A);
        using EngineClient second = await rig.ConnectAsync(rig.A);
        await rig.ReloadedAsync(EngineRig.Taking("a.example", "smtp limit max-sessions 2 max-rcpt 1"));
        using (EngineClient third = await EngineClient.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, rig.A)))
            Assert.StartsWith("421 ", await third.ReadAsync(), StringComparison.Ordinal);
        await first.SendAsync("joe@a.example");
        await second.SendAsync("joe@a.example");
        await rig.ReloadedAsync(EngineRig.Taking("a.example", "smtp limit max-sessions 3"));
        using EngineClient fourth = await rig.ConnectAsync(rig.A);
        await fourth.SendAsync("joe@a.example");
    }

    [Fact]
    public async Task What_changes_only_at_a_restart_is_named_and_stays()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example", "queue backend ram"));
        ReloadResult result = await rig.ReloadAsync(EngineRig.Taking("b.example", "queue backend log\nscheduler backend null\nqueue compression\nqueue ttl 1h"));
        Assert.Null(result.Fault);
        Assert.Equal(["smtpd.conf:1:1: queue backend", "smtpd.conf:2:1: scheduler backend"], result.Unchanged);
        Assert.Equal(("ram", "ram", true, TimeSpan.FromHours(1)),
            (rig.Server.Configuration.Queue.Backend, rig.Server.Configuration.Scheduler.Backend, rig.Server.Configuration.Queue.Compression, rig.Server.Configuration.Queue.Ttl));
        // Asked again, it still differs; taken back, it does not.
        Assert.Equal(["smtpd.conf:1:1: scheduler backend", "smtpd.conf:1:1: queue backend"], (await rig.ReloadAsync(EngineRig.Taking("b.example", "scheduler backend null"))).Unchanged.Reverse());
        Assert.Empty((await rig.ReloadAsync(EngineRig.Taking("b.example", "queue backend ram"))).Unchanged);
    }

    [Fact]
    public async Task Mail_whose_action_is_gone_waits_for_it_to_come_back()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        using EngineClient client = await rig.ConnectAsync(rig.A);
        await rig.ReloadedAsync(EngineRig.Taking("b.example"));
        await client.SendAsync("joe@a.example");
        await EngineRig.UntilAsync(() => rig.Log.Contains("unknown action a.example", StringComparison.Ordinal), "the delivery is tried and deferred");
        Assert.Contains("TempFail", rig.Log, StringComparison.Ordinal);
        Assert.Empty(rig.Delivered);
        await rig.ReloadedAsync(EngineRig.Taking("a.example"));
        await rig.TryUntilAsync(() => rig.Delivered.Contains(("a.example", "joe@a.example")), "the delivery is tried again and succeeds");
    }

    [Fact]
    public async Task A_hundred_sessions_under_load_see_nothing_of_many_reloads()
    {
        await using EngineRig rig = await EngineRig.StartAsync(EngineRig.Taking("a.example"));
        const int Sessions = 100, Messages = 20, Reloads = 20;
        Task sending = Task.WhenAll(Enumerable.Range(0, Sessions).Select(async number =>
        {
            for (int message = 0; message < Messages; message += 4)
            {
                using EngineClient client = await rig.ConnectAsync(rig.A);
                for (int i = 0; i < 4; i++) await client.SendAsync($"joe{number}-{message + i}@a.example");
                await client.SayAsync("QUIT", "221");
            }
        }));
        int reloads = 0;
        while (reloads < Reloads || !sending.IsCompleted)
        {
            await rig.ReloadedAsync(EngineRig.Taking("a.example", reloads % 2 == 0 ? "listen on 127.0.0.1 port {b}" : "queue ttl 2d"));
            reloads++;
        }

        await sending;
        await EngineRig.UntilAsync(() => rig.Delivered.Count == Sessions * Messages, "all is delivered");
        Assert.Equal(Sessions * Messages, rig.Delivered.Distinct().Count());
        await EngineRig.UntilAsync(() => rig.Server.Generations.Count == 1, "the old configurations are given up");
    }

    /// <summary>Keeps in mind what was opened.</summary>
    private sealed class CountingFiles : ITableFiles
    {
        public List<string> Opened { get; } = [];

        public ValueTask<TableSourceFile?> OpenAsync(string table, string path, FileVersion? unlessStill, CancellationToken cancellation)
        {
            lock (Opened) Opened.Add(path);
            return DirectTableFiles.Instance.OpenAsync(table, path, unlessStill, cancellation);
        }
    }
}
