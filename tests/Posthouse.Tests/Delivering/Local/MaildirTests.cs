using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Delivering.Local;

public class MaildirTests
{
    private const string Message = "From: a@example.org\r\nSubject: x\r\n\r\nline\r\n.dot\r\n";

    [Fact]
    public async Task A_message_stands_in_new_with_line_feeds_and_the_headers_of_delivery()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync(Message));
        Assert.Equal(DeliveryOutcome.Delivered, result.Outcome);
        string file = Assert.Single(Directory.GetFiles(setup.Home + "/Maildir/new"));
        Assert.Equal("Return-Path: <sender@example.org>\nDelivered-To: tester@example.com\nFrom: a@example.org\nSubject: x\n\nline\n.dot\n", File.ReadAllText(file));
        Assert.Matches(@"^\d+\.M\d+P\d+Q\d+\.host\.example$", Path.GetFileName(file));
        Assert.Empty(Directory.GetFiles(setup.Home + "/Maildir/tmp"));
        Assert.True(Directory.Exists(setup.Home + "/Maildir/cur"));
        Assert.Equal(0x180u, Mode(file));
        Assert.Equal(0x1C0u, Mode(setup.Home + "/Maildir/new"));
    }

    private static uint Mode(string path)
    {
        Assert.Equal(0, FileDescriptor.Status(path, out FileStatus status));
        return status.Permissions;
    }

    [Fact]
    public async Task The_null_sender_has_no_return_path()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: ""));
        Assert.StartsWith("Delivered-To: ", File.ReadAllText(Assert.Single(Directory.GetFiles(setup.Home + "/Maildir/new"))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sub_address_goes_to_its_folder_only_if_that_exists()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir("~/mail"));
        Directory.CreateDirectory(setup.Home + "/mail/.lists");
        await setup.DeliverAsync(await setup.AcceptAsync(Message, extension: "lists"));
        await setup.DeliverAsync(await setup.AcceptAsync(Message, extension: "other"));
        await setup.DeliverAsync(await setup.AcceptAsync(Message, extension: "./../lists"));
        Assert.Single(Directory.GetFiles(setup.Home + "/mail/.lists/new"));
        Assert.Equal(2, Directory.GetFiles(setup.Home + "/mail/new").Length);
    }

    [Theory]
    [InlineData("lists", true)]
    [InlineData("lists.work", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a..b", false)]
    [InlineData("../x", false)]
    [InlineData("a/b", false)]
    [InlineData("a\nb", false)]
    public void A_sub_address_is_a_folder_s_name_or_is_not_used(string extension, bool valid) => Assert.Equal(valid, MaildirFile.IsFolderName(extension));

    [Theory]
    [InlineData("X-Spam: yes\r\n", true, true)]
    [InlineData("x-spam-flag: YES\r\n", true, true)]
    [InlineData("X-Spam: no\r\n", true, false)]
    [InlineData("X-Spam: yes\r\n", false, false)]
    public async Task Marked_messages_go_to_Junk_when_the_action_says_so(string header, bool junk, bool expected)
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir(Junk: junk));
        await setup.DeliverAsync(await setup.AcceptAsync(header + Message));
        Assert.Single(Directory.GetFiles(setup.Home + (expected ? "/Maildir/.Junk/new" : "/Maildir/new")));
    }

    [Fact]
    public async Task A_message_that_was_here_before_is_returned()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync("delivered-to: Tester@example.com\r\n" + Message));
        Assert.Equal(DeliveryOutcome.Permanent, result.Outcome);
        Assert.Equal("5.4.6", result.Status.ToString());
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(await setup.AcceptAsync(Message + "Delivered-To: tester@example.com\r\n"))).Outcome);
    }

    [Fact]
    public async Task A_large_message_arrives_whole()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        string body = string.Concat(Enumerable.Range(0, 40_000).Select(i => $"line {i} of a message that does not fit into one block\r\n"));
        await setup.DeliverAsync(await setup.AcceptAsync("Subject: x\r\n\r\n" + body));
        string stored = File.ReadAllText(Assert.Single(Directory.GetFiles(setup.Home + "/Maildir/new")));
        Assert.Equal("Return-Path: <sender@example.org>\nDelivered-To: tester@example.com\nSubject: x\n\n" + body.Replace("\r\n", "\n"), stored);
    }

    [Fact]
    public async Task A_maildir_that_cannot_be_made_is_a_temporary_failure()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir("~/file/Maildir"));
        File.WriteAllText(setup.Home + "/file", "");
        Assert.Equal(DeliveryOutcome.Temporary, (await setup.DeliverAsync(await setup.AcceptAsync(Message))).Outcome);
    }

    [Fact]
    public async Task An_unknown_action_waits_and_a_vanished_user_is_permanent()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        Envelope envelope = await setup.AcceptAsync(Message);
        Assert.Equal(DeliveryOutcome.Temporary, (await setup.DeliverAsync(envelope with { Action = "gone" })).Outcome);
        Assert.Equal(DeliveryOutcome.Permanent, (await setup.DeliverAsync(envelope with { User = "gone" })).Outcome);
    }

    // CVE-2020-7247 made a shell of root's parse the sender; here an address cannot even leave its directory.
    [Theory]
    [InlineData("../../etc/cron.d/x@example.com")]
    [InlineData("..@example.com")]
    [InlineData("a/../../b@example.com")]
    public async Task No_address_leads_out_of_the_directory(string destination)
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir("~/mail/%{dest.user:raw}"));
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync(Message, destination: destination));
        Assert.Equal(DeliveryOutcome.Permanent, result.Outcome);
        Assert.Empty(Directory.GetFileSystemEntries(setup.Home));
    }
}
