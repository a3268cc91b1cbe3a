using System.Globalization;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

public class DeliveryWorkerTests
{
    [Fact]
    public async Task Mail_into_a_maildir_is_its_user_s()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        DeliveryResult[] results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => site.DeliverAsync($"Subject: {i}\r\n\r\nbody\r\n")));
        Assert.All(results, result => Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text)));
        string[] files = Directory.GetFiles(site.Home + "/Maildir/new");
        Assert.Equal(40, files.Length);
        foreach (string file in files)
        {
            Assert.Equal(0, FileDescriptor.Status(file, out FileStatus status));
            Assert.Equal((site.Account.Uid, site.Account.Gid, 0x180u), (status.Uid, status.Gid, status.Permissions));
        }
    }

    [Fact]
    public async Task A_large_message_arrives_whole()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        string body = string.Concat(Enumerable.Range(0, 60_000).Select(i => $"line {i} of a large message\r\n"));
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync("Subject: x\r\n\r\n" + body)).Outcome);
        Assert.EndsWith("Subject: x\n\n" + body.Replace("\r\n", "\n"), File.ReadAllText(Assert.Single(Directory.GetFiles(site.Home + "/Maildir/new"))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_of_a_forward_gets_messages_one_after_the_other()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        site.Entry = site.Home + "/archive";
        DeliveryResult[] results = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => site.DeliverAsync($"Subject: {i}\r\n\r\nFrom here\r\n", source: "forward:user:0")));
        Assert.All(results, result => Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text)));
        string content = site.Read("archive");
        Assert.Equal(10, content.Split("From sender@example.org ").Length - 1);
        Assert.Equal(10, content.Split("\n>From here\n\n").Length - 1);
        Assert.Equal(0, FileDescriptor.Status(site.Home + "/archive", out FileStatus status));
        Assert.Equal(site.Account.Uid, status.Uid);
    }

    [Fact]
    public async Task What_the_user_may_not_write_fails_for_now()
    {
        await using LocalSite site = new(new LocalMethod.Maildir("/proc/posthouse/%{user.username}"));
        Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync()).Outcome);
    }

    [Fact]
    public async Task A_worker_that_dies_is_replaced()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
        int worker = Assert.Single(site.Workers);
        LocalSite.Run("kill", "-9", worker.ToString(CultureInfo.InvariantCulture));
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
        Assert.NotEqual(worker, Assert.Single(site.Workers));
    }

    // Only root makes mailboxes of others in /var/mail, so only root's server is asked to.
    [Fact]
    public async Task A_system_mailbox_that_was_removed_is_made_again_while_its_grant_still_holds()
    {
        if (!SystemAccounts.IsRoot) return;
        string name = "pt" + Guid.NewGuid().ToString("N")[..12], mailbox = $"/var/mail/{name}";
        await using LocalSite site = new(new LocalMethod.Mbox(), account: new(name, 61235, 61235, "/nonexistent"));
        try
        {
            for (int i = 0; i < 3; i++)
            {
                DeliveryResult result = await site.DeliverAsync($"Subject: {i}\r\n\r\nbody\r\n");
                Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text));
                Assert.Contains($"Subject: {i}\n", File.ReadAllText(mailbox), StringComparison.Ordinal);
                Assert.Equal(0, FileDescriptor.Status(mailbox, out FileStatus status));
                Assert.Equal((61235u, 0x180u), (status.Uid, status.Permissions));
                if (i > 0) File.Delete(mailbox);
            }
        }
        finally
        {
            File.Delete(mailbox);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_link_in_the_place_of_a_system_mailbox_is_refused(bool symbolic)
    {
        if (!SystemAccounts.IsRoot) return;
        string name = "pt" + Guid.NewGuid().ToString("N")[..12], mailbox = $"/var/mail/{name}", victim = mailbox + ".victim";
        await using LocalSite site = new(new LocalMethod.Mbox(), account: new(name, 61235, 61235, "/nonexistent"));
        try
        {
            File.WriteAllText(victim, "root's\n");
            if (symbolic) File.CreateSymbolicLink(mailbox, victim);
            else LocalSite.Run("ln", victim, mailbox);
            Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync()).Outcome);
            Assert.Equal("root's\n", File.ReadAllText(victim));
            // Planted while a grant holds.
            File.Delete(mailbox);
            Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
            File.Delete(mailbox);
            if (symbolic) File.CreateSymbolicLink(mailbox, victim);
            else LocalSite.Run("ln", victim, mailbox);
            Assert.Equal(DeliveryOutcome.Temporary, (await site.DeliverAsync()).Outcome);
            Assert.Equal("root's\n", File.ReadAllText(victim));
        }
        finally
        {
            File.Delete(mailbox);
            File.Delete(victim);
        }
    }

    [Fact]
    public async Task A_worker_is_a_process_of_its_user_that_can_gain_nothing_and_leaves_no_core()
    {
        await using LocalSite site = new(new LocalMethod.Maildir());
        Assert.Equal(DeliveryOutcome.Delivered, (await site.DeliverAsync()).Outcome);
        int worker = Assert.Single(site.Workers);
        string status = File.ReadAllText($"/proc/{worker}/status");
        Assert.Contains($"\nUid:\t{site.Account.Uid}\t{site.Account.Uid}\t{site.Account.Uid}\t{site.Account.Uid}\n", status, StringComparison.Ordinal);
        Assert.Contains("\nNoNewPrivs:\t1\n", status, StringComparison.Ordinal);
        Assert.Contains("Max core file size        0                    0 ", File.ReadAllText($"/proc/{worker}/limits"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_delivered_as_root()
    {
        await using LocalSite site = new(new LocalMethod.Maildir(), account: new("root", SystemAccounts.EffectiveUser == 0 ? 0 : SystemAccounts.EffectiveUser, SystemAccounts.EffectiveUser, "/root"));
        DeliveryResult result = await site.DeliverAsync(source: null);
        Assert.NotEqual(DeliveryOutcome.Delivered, result.Outcome);
        if (SystemAccounts.IsRoot) Assert.Equal("not allowed to deliver to: root", result.Text);
    }
}
