using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Delivering.Local;

public sealed class MboxTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-mbox-").FullName;
    private readonly Microsoft.Extensions.Time.Testing.FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 3, 4, 5, 6, TimeSpan.Zero)) { AutoAdvanceAmount = TimeSpan.FromSeconds(20) };

    private string Mailbox => _directory + "/user";

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private DeliveryResult Store(string message, string sender = "a@example.org", bool system = true, bool finish = true)
    {
        using IMessageFile? file = new FileTarget.Mbox(Mailbox, system).Open(new(_time, "host"), sender, out DeliveryResult? failure);
        if (file is null) return failure!;
        return file.Append(Encoding.UTF8.GetBytes(message)) ?? (finish ? file.Finish() : DeliveryResult.Temporary("not finished"));
    }

    [Fact]
    public void Messages_stand_one_after_the_other()
    {
        Assert.Equal(DeliveryOutcome.Delivered, Store("Subject: 1\n\nFrom me\nto you\n").Outcome);
        Assert.Equal(DeliveryOutcome.Delivered, Store("Subject: 2\n\nno end", sender: "").Outcome);
        string[] lines = File.ReadAllLines(Mailbox);
        Assert.Matches("^From a@example.org Tue Nov  3 04:05:[0-9]{2} 2026$", lines[0]);
        Assert.Equal(["Subject: 1", "", ">From me", "to you", ""], lines[1..6]);
        Assert.StartsWith("From MAILER-DAEMON Tue Nov  3 04:", lines[6], StringComparison.Ordinal);
        Assert.Equal(["Subject: 2", "", "no end", ""], lines[7..]);
        Assert.False(File.Exists(Mailbox + ".lock"));
    }

    [Fact]
    public void A_message_not_finished_is_taken_back()
    {
        Store("one\n");
        string before = File.ReadAllText(Mailbox);
        Store("two\n", finish: false);
        Assert.Equal(before, File.ReadAllText(Mailbox));
    }

    [Fact]
    public void What_is_locked_waits_for_another_try()
    {
        Store("one\n");
        Assert.Equal(0, FileDescriptor.Open(Mailbox, OpenFlags.ReadWrite, 0, out SafeFileHandle? other));
        using (other)
        {
            Assert.Equal(0, FileLock.TryLockRecords(other!));
            Assert.Equal(DeliveryOutcome.Temporary, Store("two\n").Outcome);
        }
        Assert.Equal(DeliveryOutcome.Delivered, Store("two\n").Outcome);
        File.WriteAllText(Mailbox + ".lock", "");
        File.SetLastWriteTimeUtc(Mailbox + ".lock", _time.GetUtcNow().UtcDateTime);
        Assert.Equal(DeliveryOutcome.Temporary, Store("three\n").Outcome);
        File.SetLastWriteTimeUtc(Mailbox + ".lock", _time.GetUtcNow().UtcDateTime - TimeSpan.FromHours(1));
        Assert.Equal(DeliveryOutcome.Delivered, Store("three\n").Outcome);
    }

    // CVE-2015-7687: files of users that root opened could be links to other files.
    [Fact]
    public void Links_are_not_followed()
    {
        File.WriteAllText(_directory + "/victim", "precious\n");
        File.CreateSymbolicLink(Mailbox, _directory + "/victim");
        Assert.Equal(DeliveryOutcome.Temporary, Store("x\n").Outcome);
        Assert.Equal(DeliveryOutcome.Temporary, SystemMailbox.Ensure(Mailbox, Ourselves)!.Outcome);
        File.Delete(Mailbox);
        LocalTools.HardLink(_directory + "/victim", Mailbox);
        Assert.Equal(DeliveryOutcome.Temporary, Store("x\n").Outcome);
        Assert.Equal(DeliveryOutcome.Temporary, SystemMailbox.Ensure(Mailbox, Ourselves)!.Outcome);
        Assert.Equal("precious\n", File.ReadAllText(_directory + "/victim"));
    }

    [Fact]
    public void A_missing_mailbox_is_made_for_its_user_alone()
    {
        Assert.Null(SystemMailbox.Ensure(Mailbox, Ourselves));
        Assert.Equal(0, FileDescriptor.Status(Mailbox, out FileStatus status));
        Assert.Equal((Ourselves.Uid, 0x180u, 0L), (status.Uid, status.Permissions, status.Size));
        Assert.Null(SystemMailbox.Ensure(Mailbox, Ourselves));
        Assert.Equal(DeliveryOutcome.Temporary, SystemMailbox.Ensure(Mailbox, Ourselves with { Uid = Ourselves.Uid + 1 })!.Outcome);
    }

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData(".hidden")]
    [InlineData("")]
    [InlineData("a\nb")]
    public void Not_every_name_has_a_mailbox(string name) => Assert.Null(SystemMailbox.PathOf(name));

    [Fact]
    public void The_null_device_takes_everything()
    {
        using IMessageFile? file = new FileTarget.Mbox("/dev/null", System: false).Open(new(_time, "host"), "", out _);
        Assert.Equal(DeliveryOutcome.Delivered, file!.Finish().Outcome);
    }

    private static UserAccount Ourselves => new("user", SystemAccounts.EffectiveUser, Libc.getegid(), "/");
}
