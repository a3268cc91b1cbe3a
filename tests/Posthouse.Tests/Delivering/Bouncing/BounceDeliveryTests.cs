using System.Text;
using MimeKit;
using Posthouse.Plugs;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering.Bouncing;

/// <summary>From a failed delivery to the notification in its sender's mailbox, read back by MimeKit.</summary>
public class BounceDeliveryTests
{
    private const string Content = "Received: from a\r\n\tby b\r\nSubject: lunch\r\nFrom: <sender@example.net>\r\n\r\nfirst line\r\n.dot\r\n";

    [Fact]
    public async Task A_failure_comes_back_as_a_report_with_the_headers()
    {
        await using DispatcherRig rig = NewRig();
        MimeMessage message = await FailAsync(rig, 1, static envelope => envelope with
        {
            Recipient = "alias@example.org",
            Notification = new() { EnvelopeIdentifier = "QQ314159", OriginalRecipient = "rfc822;orig@example.com" },
        });

        Assert.Equal("Delivery status notification: failed", message.Subject);
        Assert.Equal("MAILER-DAEMON@mx.example.org", Assert.Single(message.From.Mailboxes).Address);
        Assert.Equal("sender@example.net", Assert.Single(message.To.Mailboxes).Address);
        Assert.Equal("auto-replied", message.Headers[HeaderId.AutoSubmitted]);
        Assert.NotNull(message.MessageId);
        Assert.Equal(DispatcherRig.Start, message.Date.ToUnixTimeSeconds());
        MultipartReport report = Report(message);
        Assert.Equal("delivery-status", report.ReportType);
        Assert.Equal(3, report.Count);

        string text = Assert.IsType<TextPart>(report[0]).Text;
        Assert.Contains("<alias@example.org>", text, StringComparison.Ordinal);
        Assert.Contains("no such user", text, StringComparison.Ordinal);

        HeaderListCollection groups = Assert.IsType<MessageDeliveryStatus>(report[1]).StatusGroups;
        Assert.Equal(2, groups.Count);
        Assert.Equal("QQ314159", groups[0]["Original-Envelope-Id"]);
        Assert.Equal("dns; mx.example.org", groups[0]["Reporting-MTA"]);
        Assert.Equal("Tue, 14 Nov 2023 22:13:20 +0000", groups[0]["Arrival-Date"]);
        Assert.Equal(
            ["rfc822; orig@example.com", "rfc822; alias@example.org", "failed", "5.1.1", "dns; lmtp.example.org", "smtp; no such user", "Tue, 14 Nov 2023 22:13:20 +0000"],
            groups[1].Select(static field => field.Value));

        MimeEntity headers = report[2];
        Assert.Equal("text/rfc822-headers", headers.ContentType.MimeType);
        Assert.Equal("Received: from a\r\n\tby b\r\nSubject: lunch\r\nFrom: <sender@example.net>", Raw(headers));
        Assert.DoesNotContain("first line", message.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RET_FULL_brings_the_whole_message_back()
    {
        await using DispatcherRig rig = NewRig();
        string content = Content + string.Concat(Enumerable.Repeat("0123456789012345678901234567890123456789012345678901234567890\r\n", 3000));
        MimeMessage message = await FailAsync(rig, 1, static envelope => envelope with { Notification = new() { Return = "full" } }, content);
        MessagePart original = Assert.IsType<MessagePart>(Report(message)[2]);
        Assert.Equal("lunch", original.Message!.Subject);
        using MemoryStream written = new();
        await original.Message.WriteToAsync(new FormatOptions { NewLineFormat = NewLineFormat.Dos }, written);
        Assert.Equal(content, Encoding.ASCII.GetString(written.ToArray()));
    }

    [Fact]
    public async Task Recipients_that_fail_together_share_a_report()
    {
        await using DispatcherRig rig = new();
        IReadOnlyList<Envelope> bounces = await rig.AcceptAsync(6, static envelope => envelope with
        {
            Kind = EnvelopeKind.Bounce,
            Sender = "",
            Recipient = "sender@example.net",
            Bounce = new() { Type = envelope.User == "user5" ? "delayed" : "failed", Of = [new() { Recipient = envelope.Recipient }] },
        });
        BounceDelivery delivery = new(rig.Queue, new FixedRoute(), rig.Time, rig.Counters);
        Task<DeliveryResult>[] tries = [.. bounces.Select(bounce => delivery.DeliverAsync(bounce, CancellationToken.None).AsTask())];
        rig.Time.Advance(TimeSpan.FromSeconds(0.9));
        Assert.All(tries, static attempt => Assert.False(attempt.IsCompleted));
        rig.Time.Advance(TimeSpan.FromSeconds(0.1));
        DeliveryResult[] results = await Task.WhenAll(tries).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.All(results, static result => Assert.Equal(DeliveryOutcome.Delivered, result.Outcome));
        Assert.Single(results[..5].Select(static result => result.Text).Distinct());
        Assert.NotEqual(results[0].Text, results[5].Text);
        Envelope[] notifications = [.. (await rig.WalkAsync()).Where(static envelope => envelope.Kind == EnvelopeKind.Mda)];
        Assert.Equal(2, notifications.Length);
        MimeMessage[] messages = [await ReadAsync(rig, notifications[0]), await ReadAsync(rig, notifications[1])];
        MimeMessage failed = Assert.Single(messages, static message => message.Subject is string subject && subject.EndsWith("failed", StringComparison.Ordinal));
        Assert.Equal(
            Enumerable.Range(0, 5).Select(static i => $"rfc822; user{i}@example.org"),
            ((MessageDeliveryStatus)Report(failed)[1]).StatusGroups.Skip(1).Select(static group => group["Final-Recipient"]).Order());
        Assert.Equal(2, rig.Counters["bounce.message"].Value);
    }

    [Fact]
    public async Task Addresses_and_headers_beyond_ascii_use_the_types_of_RFC_6533()
    {
        await using DispatcherRig rig = NewRig();
        MimeMessage message = await FailAsync(rig, 1, static envelope => envelope with { Recipient = "jürgen@example.org" }, "Subject: gr\u00c3\u00bc\u00c3\u009fe\r\n\r\nbody\r\n");
        MultipartReport report = Report(message);
        Assert.Equal("message/global-delivery-status", report[1].ContentType.MimeType);
        Assert.Contains("Final-Recipient: utf-8; jürgen@example.org\r\n", Raw(report[1]), StringComparison.Ordinal);
        Assert.Equal("message/global-headers", report[2].ContentType.MimeType);
        Assert.Contains("Subject: grüße", Raw(report[2]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_stranger_said_cannot_add_a_field_or_a_long_line()
    {
        await using DispatcherRig rig = NewRig();
        rig.Local.Script = (envelope, _) => new(envelope.Sender.Length == 0
            ? DeliveryResult.Delivered()
            : DeliveryResult.Permanent("no\r\nAction: delivered\r\n\r\n--boundary\0" + new string('x', 5000), 1, 1));
        Task<MimeMessage> notification = NotificationAsync(rig);
        await rig.AcceptAsync(content: Content);
        MimeMessage message = await notification;
        HeaderListCollection groups = ((MessageDeliveryStatus)Report(message)[1]).StatusGroups;
        Assert.Equal(2, groups.Count);
        Assert.Equal("failed", groups[1]["Action"]);
        Assert.StartsWith("X-Posthouse; no  Action: delivered    --boundary xxx", groups[1]["Diagnostic-Code"], StringComparison.Ordinal);
        Assert.All(message.ToString().Split('\n'), static line => Assert.InRange(line.Length, 0, 998));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no header ends here")]
    [InlineData("\r\nonly a body\r\n")]
    public async Task A_message_without_proper_headers_is_reported_too(string content)
    {
        await using DispatcherRig rig = NewRig();
        MimeMessage message = await FailAsync(rig, 1, static envelope => envelope, content);
        Assert.Equal(3, Report(message).Count);
    }

    [Fact]
    public async Task Endless_headers_are_cut_at_a_line_end()
    {
        await using DispatcherRig rig = NewRig();
        string content = "X-Long: " + string.Concat(Enumerable.Repeat("abcdefghijklmnopqrstuvwxyz\r\n ", 5000)) + "\r\n\r\nbody\r\n";
        MimeMessage message = await FailAsync(rig, 1, static envelope => envelope, content);
        string headers = Raw(Report(message)[2]);
        Assert.InRange(headers.Length, 60_000, BounceMessage.MaxHeaders);
        Assert.EndsWith("xyz", headers, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sender_who_cannot_be_reached_is_given_up_or_tried_again()
    {
        FixedRoute route = new() { Failure = Fault.Temporary("busy") };
        await using DispatcherRig rig = NewRig(route);
        rig.Local.Script = static (_, _) => new(DeliveryResult.Permanent("no"));
        await rig.AcceptAsync();
        await rig.Scheduler.UntilAllAsync("delete", "update");
        Assert.Equal("busy", Assert.Single(await rig.WalkAsync()).Error);
        route.Failure = Fault.Permanent("no such sender");
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await rig.Scheduler.UntilAsync("delete");
        Assert.Empty(await rig.WalkAsync());
    }

    private static DispatcherRig NewRig(FixedRoute? route = null)
    {
        DispatcherRig rig = new(null, rig => new BounceDelivery(rig.Queue, route ?? new FixedRoute(), rig.Time, rig.Counters, TimeSpan.Zero));
        rig.Local.Script = static (envelope, _) => new(envelope.Sender.Length == 0
            ? DeliveryResult.Delivered()
            : DeliveryResult.Permanent("no such user", 1, 1) with { Remote = "lmtp.example.org" });
        rig.Dispatcher.StartAsync().GetAwaiter().GetResult();
        return rig;
    }

    private static async Task<MimeMessage> FailAsync(DispatcherRig rig, int recipients, Func<Envelope, Envelope> change, string content = Content)
    {
        Task<MimeMessage> notification = NotificationAsync(rig);
        await rig.AcceptAsync(recipients, change, content);
        return await notification;
    }

    // The notification is delivered like any other mail; its content is read when it is.
    private static async Task<MimeMessage> NotificationAsync(DispatcherRig rig)
    {
        Func<Envelope, CancellationToken, ValueTask<DeliveryResult>> script = rig.Local.Script;
        TaskCompletionSource<MimeMessage> notification = new(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.Local.Script = async (envelope, cancellation) =>
        {
            if (envelope.Sender.Length == 0)
            {
                Assert.Equal(("sender@example.net", "sender", EnvelopeFlags.Bounce | EnvelopeFlags.Internal), (envelope.Recipient, envelope.User, envelope.Flags));
                notification.SetResult(await ReadAsync(rig, envelope));
            }

            return await script(envelope, cancellation);
        };
        MimeMessage message = await notification.Task.WaitAsync(TimeSpan.FromSeconds(60));
        while ((await rig.WalkAsync()).Count > 0)
            await rig.Scheduler.UntilAsync("delete");
        return message;
    }

    private static async Task<MimeMessage> ReadAsync(DispatcherRig rig, Envelope envelope)
    {
        await using Stream content = (await rig.Queue.OpenMessageAsync(envelope.Id.Message)).Content!;
        using MemoryStream copy = new();
        await content.CopyToAsync(copy);
        Assert.Equal(copy.Length, envelope.Size);
        Assert.DoesNotContain("\n", Encoding.ASCII.GetString(copy.ToArray()).Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        copy.Position = 0;
        return await MimeMessage.LoadAsync(copy);
    }

    private static MultipartReport Report(MimeMessage message) => Assert.IsType<MultipartReport>(message.Body);

    private static string Raw(MimeEntity part)
    {
        using MemoryStream raw = new();
        part.WriteTo(new FormatOptions { NewLineFormat = NewLineFormat.Dos }, raw, contentOnly: true);
        return Encoding.UTF8.GetString(raw.ToArray()).TrimEnd();
    }

    private sealed class FixedRoute : IReturnRoute
    {
        public Fault? Failure { get; set; }

        public ValueTask<(Fault? Failure, IReadOnlyList<Envelope> Envelopes)> ResolveAsync(Envelope bounce, CancellationToken cancellation) => new((Failure,
        [
            new()
            {
                Id = default,
                Kind = EnvelopeKind.Mda,
                Action = "local",
                Sender = "",
                Recipient = "",
                Destination = bounce.Recipient,
                User = bounce.Recipient.Split('@')[0],
                Size = 0,
                Created = 0,
                Expires = 1000,
            },
        ]));
    }
}
