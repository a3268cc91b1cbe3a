using System.Net.Sockets;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering.Local;

public class LmtpTests
{
    private const string Message = "Subject: x\r\n\r\nline\r\n.dot\r\n";

    [Fact]
    public async Task A_message_goes_over_with_dots_stuffed_and_the_user_as_recipient()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync(Message));
        Assert.Equal((DeliveryOutcome.Delivered, server.Destination), (result.Outcome, result.Remote));
        Assert.Equal(["LHLO host.example", "MAIL FROM:<sender@example.org> BODY=8BITMIME", "RCPT TO:<tester>", "DATA"], server.Commands);
        Assert.Equal("Delivered-To: tester@example.com\r\nSubject: x\r\n\r\nline\r\n..dot\r\n", Assert.Single(server.Messages));
    }

    [Fact]
    public async Task The_recipient_can_be_the_address_and_the_server_a_socket()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("posthouse-lmtp-").FullName, "s");
        try
        {
            using LmtpServer server = new(path);
            await using LocalSetup setup = new(new LocalMethod.Lmtp(path, RecipientAddress: true));
            Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: "", destination: "other@example.com"))).Outcome);
            Assert.Equal(["MAIL FROM:<> BODY=8BITMIME", "RCPT TO:<other@example.com>"], server.Commands[1..3]);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }

    [Fact]
    public async Task A_large_message_arrives_whole()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        string message = "Subject: x\r\n\r\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $".line {i} of the message\r\n"));
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(await setup.AcceptAsync(message))).Outcome);
        Assert.Equal("Delivered-To: tester@example.com\r\n" + message.Replace("\n.", "\n.."), Assert.Single(server.Messages));
    }

    [Theory]
    [InlineData("banner", "554 no", DeliveryOutcome.Temporary, "4.4.2")]
    [InlineData("LHLO", "550 no", DeliveryOutcome.Temporary, "4.4.2")]
    [InlineData("MAIL", "550 5.7.1 no", DeliveryOutcome.Permanent, "5.7.1")]
    [InlineData("MAIL", "450 no", DeliveryOutcome.Temporary, "4.0.0")]
    [InlineData("RCPT", "550 5.1.1 unknown", DeliveryOutcome.Permanent, "5.1.1")]
    [InlineData("RCPT", "452-4.2.2 over\r\n452 4.2.2 quota", DeliveryOutcome.Temporary, "4.2.2")]
    [InlineData("DATA", "451 later", DeliveryOutcome.Temporary, "4.0.0")]
    [InlineData(".", "552 5.2.2 full", DeliveryOutcome.Permanent, "5.2.2")]
    [InlineData(".", "452 4.2.2 full", DeliveryOutcome.Temporary, "4.2.2")]
    [InlineData(".", "354 what", DeliveryOutcome.Temporary, "4.0.0")]
    [InlineData("banner", "hello", DeliveryOutcome.Temporary, "4.4.2")]
    [InlineData("RCPT", "", DeliveryOutcome.Temporary, "4.4.2")]
    [InlineData(".", "", DeliveryOutcome.Temporary, "4.4.2")]
    public async Task Replies_decide(string verb, string answer, DeliveryOutcome outcome, string status)
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.On(verb, answer).Destination));
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync(Message));
        Assert.Equal((outcome, status), (result.Outcome, result.Status.ToString()));
        Assert.DoesNotContain('\n', result.Text);
    }

    [Fact]
    public async Task A_connection_serves_the_next_message_and_may_have_died_meanwhile()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        using LocalDelivery delivery = new(setup.Queue, setup.Privileges, setup.Settings);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation);
        await delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation);
        Assert.Equal((1, 2), (server.Connections, server.Messages.Count));
        // Closes behind the second message's answer to the next MAIL.
        server.On("MAIL", "");
        Task<DeliveryResult> third = delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation).AsTask();
        Assert.Equal(DeliveryOutcome.Temporary, (await third).Outcome);
        server.On("MAIL", "250 Ok");
        Assert.Equal(DeliveryOutcome.Delivered, (await delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation)).Outcome);
        Assert.Equal((3, 3), (server.Connections, server.Messages.Count));
    }

    [Fact]
    public async Task A_refused_recipient_leaves_the_connection_of_use()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.On("RCPT", "550 5.1.1 unknown").Destination));
        using LocalDelivery delivery = new(setup.Queue, setup.Privileges, setup.Settings);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation);
        server.On("RCPT", "250 Ok");
        Assert.Equal(DeliveryOutcome.Delivered, (await delivery.DeliverAsync(await setup.AcceptAsync(Message), cancellation)).Outcome);
        Assert.Equal(1, server.Connections);
        Assert.Contains("RSET", server.Commands);
    }

    [Fact]
    public async Task Nobody_listening_is_a_temporary_failure()
    {
        using LmtpServer server = new();
        server.Dispose();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        Assert.Equal(DeliveryOutcome.Temporary, (await setup.DeliverAsync(await setup.AcceptAsync(Message))).Outcome);
    }

    [Fact]
    public async Task A_line_end_in_an_address_reaches_no_server()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        Envelope envelope = await setup.AcceptAsync(Message, sender: "a@example.org>\r\nRCPT TO:<b");
        Assert.Equal(DeliveryOutcome.Permanent, (await setup.DeliverAsync(envelope)).Outcome);
        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task An_address_in_UTF8_needs_a_server_that_takes_it()
    {
        using LmtpServer server = new();
        await using LocalSetup setup = new(new LocalMethod.Lmtp(server.Destination));
        Assert.Equal(DeliveryOutcome.Permanent, (await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: "bücher@example.org"))).Outcome);
        server.On("LHLO", "250-x\r\n250 SMTPUTF8");
        await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: "bücher@example.org"));
        Assert.Equal("MAIL FROM:<bücher@example.org> SMTPUTF8", server.Commands[^3]);
    }

    [Theory]
    [InlineData("127.0.0.1:24", AddressFamily.InterNetwork)]
    [InlineData("[::1]:24", AddressFamily.InterNetworkV6)]
    [InlineData("localhost:24", AddressFamily.Unspecified)]
    [InlineData("/run/lmtp", AddressFamily.Unix)]
    public void Destinations_are_read(string text, AddressFamily family) => Assert.Equal(family, LmtpTarget.Parse(text)!.AddressFamily);

    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData("localhost:")]
    [InlineData("localhost:0")]
    [InlineData("localhost:99999")]
    [InlineData("::1:24")]
    [InlineData("[localhost]:24")]
    public void Others_are_not(string text) => Assert.Null(LmtpTarget.Parse(text));
}
