using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Plugs.Testing;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public sealed class FsQueueContractTests() : QueueContractTests(QueueTraits.Durable), IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    protected override Task<IQueue> OpenAsync() => Task.FromResult<IQueue>(FsQueue.Open(_directory.Path, TimeProvider.System, NullLogger.Instance));
}

public sealed class FsQueueTests : IDisposable
{
    private static readonly MessageId s_message = new(0xab123456);
    private static readonly EnvelopeId s_first = new(0xab123456_00000001);
    private static readonly EnvelopeId s_second = new(0xab123456_00000002);
    private readonly TemporaryDirectory _directory = new();

    private string MessageDirectory => Path.Combine(_directory.Path, "ab", "ab123456");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task People_can_read_it()
    {
        await using FsQueue queue = Open();
        await PutAsync(queue);
        Assert.Equal("Subject: x\r\n\r\n", File.ReadAllText(Path.Combine(MessageDirectory, "message")));
        Assert.Equal("{}", File.ReadAllText(Path.Combine(MessageDirectory, "ab12345600000001.json")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(MessageDirectory, "message")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(MessageDirectory));
    }

    [Fact]
    public async Task What_a_crash_left_in_incoming_is_purged()
    {
        string incoming = Path.Combine(_directory.Path, "incoming", "ab123456");
        Directory.CreateDirectory(incoming);
        File.WriteAllText(Path.Combine(incoming, "message"), "half");
        File.WriteAllText(Path.Combine(_directory.Path, "incoming", "cd123456.add.new"), "cd1234");
        await using FsQueue queue = Open();
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_directory.Path, "incoming")));
        Assert.True((await queue.CreateMessageAsync(s_message, TestContext.Current.CancellationToken)).IsOk);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Envelopes_added_are_there_all_or_none_after_a_crash(bool committed)
    {
        await using (FsQueue queue = Open())
            await PutAsync(queue);
        // The state between the steps of adding two more envelopes: one renamed, one not.
        EnvelopeId third = new(s_second.Value + 1);
        if (committed)
        {
            File.WriteAllText(Path.Combine(MessageDirectory, $"{s_second}.json"), "{}");
            File.WriteAllText(Path.Combine(_directory.Path, "incoming", "ab123456.add"), $"{s_second}\n{third}\n");
        }
        else
        {
            File.WriteAllText(Path.Combine(MessageDirectory, $"{s_second}.json.new"), "{}");
            File.WriteAllText(Path.Combine(_directory.Path, "incoming", "ab123456.add.new"), $"{s_second}\n");
        }

        File.WriteAllText(Path.Combine(MessageDirectory, $"{third}.json.new"), "{}");
        await using FsQueue again = Open();
        QueueWalk walk = await again.WalkAsync(default, 10, TestContext.Current.CancellationToken);
        Assert.Equal(committed ? [s_first, s_second, third] : [s_first], walk.Envelopes.Select(stored => stored.Id));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_directory.Path, "incoming")));
    }

    [Fact]
    public async Task A_torn_update_leaves_the_envelope_as_it_was()
    {
        await using (FsQueue queue = Open())
            await PutAsync(queue);
        File.WriteAllText(Path.Combine(MessageDirectory, $"{s_first}.json.update"), "{\"half");
        await using FsQueue again = Open();
        StoredEnvelope stored = Assert.Single((await again.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
        Assert.Equal("{}"u8, stored.Json.Span);
        Assert.True((await again.UpdateEnvelopeAsync(s_first, "{\"v\":1}"u8.ToArray(), TestContext.Current.CancellationToken)).IsOk);
        Assert.True((await again.DeleteEnvelopeAsync(s_first, TestContext.Current.CancellationToken)).IsOk);
        Assert.False(Directory.Exists(MessageDirectory));
    }

    [Fact]
    public async Task A_message_without_envelopes_is_removed_by_the_walk_and_strange_files_are_left_alone()
    {
        await using (FsQueue queue = Open())
            await PutAsync(queue);
        File.Delete(Path.Combine(MessageDirectory, $"{s_first}.json"));
        Directory.CreateDirectory(Path.Combine(_directory.Path, "ab", "notes"));
        File.WriteAllText(Path.Combine(_directory.Path, "README"), "mine");
        await using FsQueue again = Open();
        Assert.Empty((await again.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
        Assert.False(Directory.Exists(MessageDirectory));
        Assert.True(Directory.Exists(Path.Combine(_directory.Path, "ab", "notes")));
    }

    [Fact]
    public async Task A_commit_that_fails_leaves_nothing()
    {
        await using FsQueue queue = Open();
        await queue.CreateMessageAsync(s_message, TestContext.Current.CancellationToken);
        await queue.WriteMessageAsync(s_message, "x"u8.ToArray(), TestContext.Current.CancellationToken);
        queue.CreateEnvelope(s_first, "{}"u8.ToArray());
        // The place of the directory is taken by a file.
        File.WriteAllText(Path.Combine(_directory.Path, "ab"), "in the way");
        QueueResult result = await queue.CommitAsync(s_message, TestContext.Current.CancellationToken);
        Assert.Equal(QueueStatus.Error, result.Status);
        Assert.NotNull(result.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_directory.Path, "incoming")));
        File.Delete(Path.Combine(_directory.Path, "ab"));
        Assert.True((await queue.CreateMessageAsync(s_message, TestContext.Current.CancellationToken)).IsOk);
    }

    private FsQueue Open() => FsQueue.Open(_directory.Path, TimeProvider.System, NullLogger.Instance);

    private static async Task PutAsync(FsQueue queue)
    {
        await queue.CreateMessageAsync(s_message);
        await queue.WriteMessageAsync(s_message, Encoding.ASCII.GetBytes("Subject: x\r\n\r\n"));
        queue.CreateEnvelope(s_first, "{}"u8.ToArray());
        Assert.True((await queue.CommitAsync(s_message)).IsOk);
    }
}
