using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Commands;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public sealed class SpoolInspectionTests : IDisposable
{
    private static readonly byte[] s_key = Encoding.ASCII.GetBytes("0123456789abcdef0123456789abcdef");
    private readonly TemporaryDirectory _directory = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private readonly MemoryStream _bytes = new();

    private StateDirectory State => new(_directory.Path);

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    public async Task Mail_is_listed_held_released_exported_and_removed(string store)
    {
        Envelope[] envelopes = await PutAsync(store, "Subject: one\r\n\r\nbody\r\n", 2);
        string id = envelopes[0].Id.ToString();
        string message = envelopes[0].Id.Message.ToString();
        Assert.Equal(0, Run("list"));
        Assert.Equal(envelopes.Select(envelope => $"{envelope.Id}|?|mda||sender@example.org|rcpt@example.org|rcpt@example.org|1700000000|1700345600|0|0|offline||").Order(), Lines());
        Assert.Equal(0, Run("hold", id));
        Assert.Equal(["1 envelope held"], Lines());
        Assert.Equal(0, Run("show", id));
        Assert.Contains("flags: [\"suspended\"]", Lines());
        Assert.Equal(0, Run("release", message));
        Assert.Equal(["2 envelopes released"], Lines());
        Assert.Equal(0, Run("show", id));
        Assert.DoesNotContain("flags", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, Run("export", message));
        Assert.Equal("Subject: one\r\n\r\nbody\r\n", Encoding.ASCII.GetString(_bytes.ToArray()));
        Assert.Equal(0, Run("remove", id));
        Assert.Equal(1, Run("show", id));
        Assert.Equal(0, Run("remove", "all"));
        Assert.Equal(["1 envelope removed"], Lines());
        Assert.Equal(1, Run("export", message));
        Assert.Equal(0, Run("list"));
        Assert.Empty(Lines());
    }

    [Fact]
    public async Task Json_is_one_object_a_line()
    {
        Envelope envelope = Assert.Single(await PutAsync("fs", "x", 1));
        Assert.Equal(0, Run("list", "--json"));
        using JsonDocument listed = JsonDocument.Parse(Assert.Single(Lines()));
        Assert.Equal("fs", listed.RootElement.GetProperty("store").GetString());
        Assert.Equal(envelope.Id.ToString(), listed.RootElement.GetProperty("envelope").GetProperty("id").GetString());
        Assert.Equal(0, Run("verify", "--json"));
        Assert.Equal("""{"messages":1,"envelopes":1,"locked":0,"damaged":0}""", Assert.Single(Lines()));
    }

    [Fact]
    public async Task A_spool_in_use_is_left_alone()
    {
        await PutAsync("fs", "x", 1);
        using (SpoolLock? held = SpoolLock.TryTake(State, out _))
        {
            Assert.NotNull(held);
            Assert.Equal(1, Run("remove", "all"));
            Assert.Contains($"in use by a running server (process {Environment.ProcessId})", _error.ToString(), StringComparison.Ordinal);
        }

        Assert.Equal(0, Run("list"));
        Assert.Single(Lines());
    }

    [Fact]
    public async Task Damage_is_named_by_verify_and_put_aside_by_repair()
    {
        Envelope[] good = await PutAsync("fs", "good", 1);
        Envelope[] torn = await PutAsync("fs", "torn envelope", 2);
        Envelope[] lost = await PutAsync("fs", "lost", 1);
        Envelope[] rotten = await PutAsync("fs", new string('x', 10_000), 2, compress: true);
        File.WriteAllText(FileOf(torn[0].Id, $"{torn[0].Id}.json"), "{\"half");
        File.Delete(FileOf(lost[0].Id, "message"));
        string body = FileOf(rotten[0].Id, "message");
        File.WriteAllBytes(body, File.ReadAllBytes(body)[..^3]);

        Assert.Equal(1, Run("verify"));
        string[] found = Lines();
        Assert.Equal(4, found.Length);
        Assert.Contains(found, line => line.StartsWith($"fs|{torn[0].Id}|damaged|", StringComparison.Ordinal));
        Assert.Contains($"fs|{lost[0].Id.Message}|damaged|its content is missing", found);
        Assert.Contains(found, line => line.StartsWith($"fs|{rotten[0].Id.Message}|damaged|", StringComparison.Ordinal));
        Assert.Equal("4 messages, 6 envelopes, 3 damaged", found[^1]);

        Assert.Equal(0, Run("repair"));
        Assert.Equal(0, Run("verify"));
        Assert.Equal(["2 messages, 2 envelopes, 0 damaged"], Lines());
        Assert.Equal(
            new[] { $"{torn[0].Id}.json", $"{lost[0].Id}.json", $"{lost[0].Id.Message}.message", $"{rotten[0].Id}.json", $"{rotten[1].Id}.json", $"{rotten[0].Id.Message}.message" }.Order(),
            Directory.GetFiles(Path.Combine(State.Spool, SpoolInspection.Quarantine)).Select(file => Path.GetFileName(file)).Order());
        Assert.Equal(0, Run("show", good[0].Id.ToString()));
        Assert.Equal(0, Run("show", torn[1].Id.ToString()));
    }

    [Fact]
    public async Task Without_its_key_sealed_mail_is_held_and_never_taken_for_damage()
    {
        Envelope envelope = Assert.Single(await PutAsync("log", "secret", 1, key: s_key));
        string id = envelope.Id.ToString();
        Assert.Equal(0, Run("list"));
        Assert.StartsWith($"{id}|?|mda||@|@|@|", Assert.Single(Lines()), StringComparison.Ordinal);
        Assert.Equal(0, Run("hold", id));
        Assert.Equal(0, Run("repair"));
        Assert.Equal(["1 messages, 1 envelopes, 0 damaged, 2 not opened for want of their key"], Lines());
        Assert.Equal(1, Run("export", id));
        Assert.Contains("no key", _error.ToString(), StringComparison.Ordinal);

        string key = Path.Combine(_directory.Path, "key");
        File.WriteAllBytes(key, [.. s_key, (byte)'\n']);
        Assert.Equal(0, Run("--key", key, "list"));
        Assert.StartsWith($"{id}|?|mda|suspend|sender@example.org|", Assert.Single(Lines()), StringComparison.Ordinal);
        Assert.Equal(0, Run("--key", key, "export", id));
        Assert.Equal("secret", Encoding.ASCII.GetString(_bytes.ToArray()));
        File.WriteAllText(key, "short");
        Assert.Equal(1, Run("--key", key, "list"));
    }

    [Theory]
    [InlineData("frobnicate")]
    [InlineData("show")]
    [InlineData("show", "all")]
    [InlineData("hold", "xyz")]
    [InlineData("--frob", "list")]
    public void Misuse_is_answered_with_the_usage(params string[] args)
    {
        Assert.Equal(1, Run(args));
        Assert.Contains("usage:", _error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Lines());
    }

    private int Run(params string[] args)
    {
        _output.GetStringBuilder().Clear();
        _error.GetStringBuilder().Clear();
        _bytes.SetLength(0);
        return QueueCommand.Run(["--state", _directory.Path, .. args], new Terminal(Stream.Null, _output, _error) { Bytes = _bytes });
    }

    private string[] Lines() => _output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private string FileOf(EnvelopeId id, string name) => Path.Combine(State.Spool, "fs", id.Message.ToString()[..2], id.Message.ToString(), name);

    private async Task<Envelope[]> PutAsync(string store, string content, int envelopes, bool compress = false, byte[]? key = null)
    {
        IQueue queue = await QueueStores.OpenAsync(store, State.Spool, TimeProvider.System, NullLogger.Instance);
        await using MailQueue mail = new(
            queue, new MailQueueOptions { Compression = compress, EncryptionKey = key }, TimeProvider.System, NullLogger.Instance, new Counters());
        MessageWriter writer = (await mail.CreateMessageAsync()).Writer!;
        await writer.WriteAsync(Encoding.ASCII.GetBytes(content));
        for (int i = 0; i < envelopes; i++)
            writer.AddEnvelope(MailQueueTests.Sample(writer.DrawEnvelopeId()));
        Assert.True((await writer.CommitAsync()).IsOk);
        return [.. writer.Envelopes];
    }
}
