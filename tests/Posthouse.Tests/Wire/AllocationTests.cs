using System.Text;
using Posthouse.Server.Receiving;
using Posthouse.Wire;

namespace Posthouse.Tests.Wire;

/// <summary>What runs for every command and every block leaves nothing to the garbage collector.</summary>
public class AllocationTests
{
    private const int Rounds = 100;

    // What one call allocates, in bytes, once everything that is made only once has been made.
    private static long Measure(Action call)
    {
        call();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++)
            call();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds;
    }

    [Theory]
    [InlineData("EHLO client.example.org")]
    [InlineData("EHLO bücher.example.org")]
    [InlineData("MAIL FROM:<joe@example.org> SIZE=5000 BODY=8BITMIME")]
    [InlineData("RCPT TO:<ann@example.org> NOTIFY=FAILURE")]
    [InlineData("DATA")]
    [InlineData("DATA now")]
    [InlineData("FROBNICATE")]
    [InlineData("QU\aIT")]
    public void A_command_is_told_apart_without_allocating(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line);
        Assert.Equal(0, Measure(() => SmtpCommand.TryParse(bytes, out _, out _)));
    }

    [Fact]
    public void A_greeting_and_a_chunk_are_read_without_allocating()
    {
        Assert.Equal(0, Measure(() => HostName.IsValidGreeting("client.example.org"u8)));
        Assert.Equal(0, Measure(() => BdatCommand.TryParse("5000 LAST"u8, out _, out _)));
    }

    // The mailbox is what the session keeps: an object of 40 bytes and the two strings.
    [Fact]
    public void A_path_costs_its_mailbox_and_nothing_else()
    {
        long mailbox = Measure(() => Mailbox.TryParse("joe@example.org"u8, out _));
        Assert.InRange(mailbox, 1, 160);
        Assert.Equal(mailbox, Measure(() => MailCommand.TryParse("FROM:<joe@example.org> SIZE=5000 BODY=8BITMIME SMTPUTF8"u8, out _, out _)));
        Assert.Equal(mailbox, Measure(() => RcptCommand.TryParse("TO:<joe@example.org> NOTIFY=SUCCESS,DELAY"u8, out _, out _)));
    }

    [Theory]
    [InlineData("text without anything odd", 5 << 10)]
    [InlineData("..text that begins with a dot", 5 << 10)]
    [InlineData("text without anything odd", 64 << 10)]
    [InlineData("..text that begins with a dot", 64 << 10)]
    public void A_block_of_content_is_scanned_without_allocating(string line, int size)
    {
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(line + "\r\n", size / (line.Length + 2))));
        byte[] block = new byte[content.Length];
        Assert.Equal(0, Measure(() =>
        {
            content.CopyTo(block, 0);
            DataScanner scanner = default;
            scanner.Scan(block, out _);
        }));
    }

    [Fact]
    public void A_header_is_scanned_without_allocating()
    {
        byte[] message = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("Received: from a\r\n\tby b\r\n", 20)) + "\r\nbody\r\n");
        Assert.Equal(0, Measure(() => new HeaderScanner().TryFindEnd(message, out _)));
    }
}
