using System.Net.Sockets;
using System.Text;
using Posthouse.Commands;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Tests.Commands;

namespace Posthouse.Tests.Control;

public sealed class ControlTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_queue_is_listed_line_for_line_as_smtpctl_does()
    {
        await using ControlRig rig = new();
        rig.Mail.Dispatcher.Pause(EnvelopeKinds.All);
        await rig.Mail.Dispatcher.StartAsync(Token);
        IReadOnlyList<Envelope> envelopes = await rig.Mail.AcceptAsync(2);
        (int status, string output, _) = await RunAsync(rig, "show queue");
        Assert.Equal(0, status);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(envelopes.Select(static envelope => envelope.Id.ToString()).Order(), lines.Select(static line => line[..16]));
        Assert.All(lines, static line => Assert.Equal(14, line.Split('|').Length));

        (_, output, _) = await RunAsync(rig, $"show queue {envelopes[1].Id}");
        Assert.StartsWith(envelopes[1].Id.ToString(), output);
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        (_, output, _) = await RunAsync(rig, $"--json show queue {envelopes[1].Id}");
        Assert.StartsWith("{\"envelope\":{", output);
        (_, output, _) = await RunAsync(rig, $"show envelope {envelopes[0].Id}");
        Assert.Contains($"id: {envelopes[0].Id}\n", output);
    }

    [Fact]
    public async Task Envelopes_are_paused_resumed_scheduled_and_removed()
    {
        await using ControlRig rig = new();
        rig.Mail.Dispatcher.Pause(EnvelopeKinds.All);
        await rig.Mail.Dispatcher.StartAsync(Token);
        Envelope envelope = Assert.Single(await rig.Mail.AcceptAsync());
        Assert.Equal((0, "1 envelope paused\n", ""), await RunAsync(rig, $"pause envelope {envelope.Id}"));
        Assert.Contains("|suspend|", (await RunAsync(rig, "show queue")).Output);
        Assert.Equal((0, "1 envelope resumed\n", ""), await RunAsync(rig, $"resume envelope {envelope.Id.Message}"));
        Assert.DoesNotContain("suspend", (await RunAsync(rig, "show queue")).Output);
        Assert.Equal(0, (await RunAsync(rig, $"schedule {envelope.Id}")).Status);
        Assert.Equal((0, "0 envelopes discovered\n", ""), await RunAsync(rig, $"discover {envelope.Id}"));
        Assert.Equal((0, "1 envelope removed\n", ""), await RunAsync(rig, "remove all"));
        Assert.Equal((1, "", "command failed: no such envelope\n"), await RunAsync(rig, "remove 00000001"));
        Assert.Equal(1, (await RunAsync(rig, "remove nonsense")).Status);
    }

    [Fact]
    public async Task A_message_is_shown_byte_for_byte()
    {
        await using ControlRig rig = new();
        string content = $"Subject: x\r\n\r\n{new string('\u00ff', 100_000)}\r\n";
        Envelope envelope = Assert.Single(await rig.Mail.AcceptAsync(content: content));
        Assert.Equal((0, content, ""), await RunAsync(rig, $"show message {envelope.Id}"));
        Assert.Equal((0, content, ""), await RunAsync(rig, $"show message {envelope.Id.Message}"));
        Assert.Equal((1, "", "command failed: no such message\n"), await RunAsync(rig, "show message 00000001"));
    }

    [Fact]
    public async Task Services_are_paused_and_resumed()
    {
        await using ControlRig rig = new();
        Assert.Equal((0, "MDA running\nMTA running\nSMTP running\n", ""), await RunAsync(rig, "show status"));
        Assert.Equal((0, "command succeeded\n", ""), await RunAsync(rig, "pause mda"));
        Assert.Equal((0, "command succeeded\n", ""), await RunAsync(rig, "pause smtp"));
        Assert.True(rig.IsSmtpPaused);
        Assert.Equal((0, "MDA paused\nMTA running\nSMTP paused\n", ""), await RunAsync(rig, "show status"));
        Assert.Equal((1, "", "command failed: already paused\n"), await RunAsync(rig, "pause mda"));
        Assert.Equal((0, "{\"ok\":true}\n", ""), await RunAsync(rig, "--json resume mda"));
        Assert.Equal((0, "{\"mda\":1,\"mta\":1,\"smtp\":0}\n", ""), await RunAsync(rig, "show status --json"));
    }

    [Fact]
    public async Task Counters_are_shown()
    {
        await using ControlRig rig = new();
        rig.Mail.Counters["smtp.session"].Set(42);
        rig.Mail.Time.Advance(TimeSpan.FromSeconds(61));
        (int status, string output, _) = await RunAsync(rig, "show stats");
        Assert.Equal(0, status);
        Assert.Contains("smtp.session=42\n", output);
        Assert.Contains("uptime=61\nuptime.human=1m1s\n", output);
        Assert.Contains("control.session=1\n", output);
    }

    [Fact]
    public async Task The_log_tables_and_the_configuration_are_steered()
    {
        await using ControlRig rig = new();
        Assert.Equal(0, (await RunAsync(rig, "log verbose")).Status);
        Assert.True(rig.IsVerbose);
        Assert.Equal(0, (await RunAsync(rig, "update table aliases")).Status);
        Assert.Equal((1, "", "command failed: line 3\n"), await RunAsync(rig, "update table broken"));
        Assert.Equal((1, "", "command failed: no table \"none\"\n"), await RunAsync(rig, "update table none"));
        Assert.Equal(0, (await RunAsync(rig, "trace smtp")).Status);
        Assert.Equal((1, "", "command failed: no subsystem \"nonsense\"\n"), await RunAsync(rig, "untrace nonsense"));
        Assert.Equal(["trace smtp True", "trace nonsense False"], rig.Calls);
        Assert.Equal((1, "", "command failed: smtpd.conf:1:1: syntax error\n"), await RunAsync(rig, "reload"));
        rig.Reloaded = new(null, ["smtpd.conf:2:1: queue backend"]);
        Assert.Equal((0, "command succeeded\n", "warning: smtpd.conf:2:1: queue backend changes only at a restart\n"), await RunAsync(rig, "reload"));
    }

    [Theory]
    [InlineData(0u, true)]
    [InlineData(1000u, true)]
    [InlineData(1001u, false)]
    [InlineData(null, false)]
    public async Task Only_root_and_the_servers_own_user_are_listened_to(uint? uid, bool trusted)
    {
        await using ControlRig rig = new();
        ControlServer server = new(new ControlActions(rig.Mail.Dispatcher, rig, rig.Mail.Counters, rig.Mail.Time), rig.Mail.Counters, rig.Mail.Log) { Owner = 1000 };
        Assert.Equal(trusted, server.Trusts(uid));
    }

    [Fact]
    public async Task More_clients_than_allowed_are_refused_and_the_others_served()
    {
        await using ControlRig rig = new(maxClients: 1);
        using ControlClient first = rig.Connect();
        Assert.True(first.Ask(new ControlRequest(ControlVerb.Status)).Last().Ok);
        Assert.Equal((1, "", "command failed: too many clients\n"), await RunAsync(rig, "show stats"));
        Assert.True(first.Ask(new ControlRequest(ControlVerb.Status)).Last().Ok);
    }

    // CVE-2025-62875: a malformed message of any local user ended OpenSMTPD.
    [Theory]
    [InlineData("\n")]
    [InlineData("{}\n")]
    [InlineData("null\n")]
    [InlineData("[1,2,3]\n")]
    [InlineData("{\"verb\":17}\n")]
    [InlineData("{\"verb\":\"queue\",\"argument\":\"\\u0000\"}\n")]
    [InlineData("{\"verb\":\"explode\"}\n")]
    [InlineData("\0\u0001\u0002\u00ff\u00fe\n")]
    [InlineData("{\"verb\":\"remove\"}\n")]
    public async Task Malformed_requests_are_answered_and_hurt_nobody(string request)
    {
        await using ControlRig rig = new();
        using Socket socket = rig.ConnectRaw();
        socket.Send(Encoding.Latin1.GetBytes(request));
        byte[] buffer = new byte[4096];
        int count = await socket.ReceiveAsync(buffer, Token);
        Assert.Contains("\"ok\":false", Encoding.UTF8.GetString(buffer, 0, count));
        Assert.Equal(0, (await RunAsync(rig, "show status")).Status);
    }

    [Fact]
    public async Task Endless_half_and_vanishing_requests_hurt_nobody()
    {
        await using ControlRig rig = new();
        using (Socket endless = rig.ConnectRaw())
        {
            endless.Send(new byte[4096]);
            byte[] buffer = new byte[4096];
            int count = await endless.ReceiveAsync(buffer, Token);
            Assert.Contains("too long", Encoding.UTF8.GetString(buffer, 0, count));
        }
        using Socket half = rig.ConnectRaw();
        half.Send("{\"verb\":"u8);
        using (Socket vanishing = rig.ConnectRaw())
            vanishing.Send("{\"verb\":\"stats\"}\n{\"verb\":\"stats\"}\n{\"verb\":\"stats\"}\n"u8);
        Assert.Equal(0, (await RunAsync(rig, "show status")).Status);
    }

    [Fact]
    public void Without_a_server_the_command_fails()
    {
        TestTerminal terminal = new();
        Assert.Equal(1, CtlCommand.Run(["--state", "/nonexistent", "show", "queue"], terminal.Terminal));
        Assert.Contains("no server is listening on /nonexistent/control.sock", terminal.Error);
    }

    private static async Task<(int Status, string Output, string Error)> RunAsync(ControlRig rig, string line)
    {
        TestTerminal terminal = new();
        int status = await Task.Run(() => CtlCommand.Run(["--state", rig.State.Path, .. line.Split(' ')], terminal.Terminal));
        return (status, terminal.Output, terminal.Error);
    }
}
