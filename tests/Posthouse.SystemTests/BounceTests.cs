using MimeKit;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>What a sender hears about mail that could not be delivered, read by a mail library.</summary>
public class BounceTests
{
    private const string Configuration = """
        listen on 127.0.0.1 port {port}
        table everybody { "@" = "{user}" }
        action "box" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        action "bad" mda "echo nobody wants this; exit 67" user "{user}" virtual <everybody>
        action "busy" mda "echo come back; exit 75" user "{user}" virtual <everybody>
        match from any for domain "bad.example" action "bad"
        match from any for domain "busy.example" action "busy"
        match from any for any action "box"
        """;

    private static async Task<MimeMessage> ReadAsync(RunningServer server, string box = "me") =>
        await MimeMessage.LoadAsync(Assert.Single(await server.WaitForMailAsync(box)), TestContext.Current.CancellationToken);

    private static async Task SendAsync(RunningServer server, string mail, params string[] recipients)
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync(mail, "250");
        foreach (string recipient in recipients) await client.SayAsync(recipient, "250");
        await client.SayAsync("DATA", "354");
        await client.WriteAsync("Subject: lost\r\nMessage-Id: <lost@example.org>\r\n\r\nthe secret body\r\n.\r\n");
        Assert.StartsWith("250 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_permanent_failure_is_reported_to_the_sender()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await SendAsync(server, "MAIL FROM:<me@example.org> RET=HDRS ENVID=env+2B1", "RCPT TO:<joe@bad.example> NOTIFY=FAILURE ORCPT=rfc822;old@elsewhere.example", "RCPT TO:<ann@example.org>");
        await server.ReadMailAsync("ann");
        using MimeMessage bounce = await ReadAsync(server);
        Assert.Equal("<>", bounce.Headers[HeaderId.ReturnPath] ?? "<>");
        Assert.NotNull(bounce.Headers[HeaderId.AutoSubmitted]);
        MultipartReport report = Assert.IsType<MultipartReport>(bounce.Body);
        Assert.Equal("delivery-status", report.ReportType);
        Assert.Equal(3, report.Count);
        Assert.Contains("nobody wants this", ((TextPart)report[0]).Text, StringComparison.Ordinal);
        MessageDeliveryStatus status = Assert.IsType<MessageDeliveryStatus>(report[1]);
        Assert.Equal(2, status.StatusGroups.Count);
        Assert.Equal("env+1", status.StatusGroups[0]["Original-Envelope-Id"]);
        HeaderList recipient = status.StatusGroups[1];
        Assert.Equal("rfc822;joe@bad.example", recipient["Final-Recipient"]!.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("rfc822;old@elsewhere.example", recipient["Original-Recipient"]!.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("failed", recipient["Action"]);
        Assert.StartsWith("5.", recipient["Status"], StringComparison.Ordinal);
        string returned = report[2].ToString();
        Assert.Contains("lost@example.org", returned, StringComparison.Ordinal);
        Assert.DoesNotContain("the secret body", returned, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_never_wants_to_hear_or_has_no_address_hears_nothing()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await SendAsync(server, "MAIL FROM:<me@example.org>", "RCPT TO:<joe@bad.example> NOTIFY=NEVER");
        await SendAsync(server, "MAIL FROM:<>", "RCPT TO:<ann@bad.example>");
        await server.WaitForAsync(() => server.Lines.Count(line => line.Contains("result=PermFail", StringComparison.Ordinal)) == 2 ? "" : null, () => "not both have failed");
        // What is told comes in the order of what happened, so this one's would come last.
        await SendAsync(server, "MAIL FROM:<last@example.org>", "RCPT TO:<joe@bad.example>");
        using MimeMessage bounce = await ReadAsync(server, "last");
        Assert.False(Directory.Exists(server.Mail + "/me"));
    }

    [Fact]
    public async Task Success_is_reported_where_asked_for_and_a_whole_message_is_returned_where_asked_for()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await SendAsync(server, "MAIL FROM:<me@example.org>", "RCPT TO:<joe@example.org> NOTIFY=SUCCESS");
        using MimeMessage success = await ReadAsync(server);
        Assert.Equal("delivered", ((MessageDeliveryStatus)((MultipartReport)success.Body!)[1]).StatusGroups[1]["Action"]);
        await SendAsync(server, "MAIL FROM:<full@example.org> RET=FULL", "RCPT TO:<joe@bad.example>");
        using MimeMessage full = await ReadAsync(server, "full");
        MessagePart whole = Assert.IsType<MessagePart>(((MultipartReport)full.Body!)[2], exactMatch: false);
        Assert.Equal("lost", whole.Message!.Subject);
        Assert.Contains("the secret body", ((TextPart)whole.Message.Body!).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_temporary_failure_is_tried_again_until_it_expires()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration.Replace("virtual <everybody>\nmatch from any for domain \"bad", "virtual <everybody> ttl 3s\nmatch from any for domain \"bad"));
        await SendAsync(server, "MAIL FROM:<me@example.org>", "RCPT TO:<joe@busy.example>");
        Assert.Contains("come back", await server.WaitForLogAsync("result=TempFail"), StringComparison.Ordinal);
        using MimeMessage bounce = await ReadAsync(server);
        Assert.Contains("come back", ((TextPart)((MultipartReport)bounce.Body!)[0]).Text, StringComparison.Ordinal);
    }
}
