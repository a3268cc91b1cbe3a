using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public sealed class MailQueueTests : IAsyncDisposable
{
    private static readonly string[] s_malformed = ["{\"id\":5}", "{\"flags\":5}", "{\"flags\":[{}]}", "{\"size\":\"x\"}", "{\"sealed\":1}", "[[[", "\u00ff"];
    private readonly FakeTimeProvider _time = new();
    private readonly Counters _counters = new();
    private readonly FailingQueue _store = new(new RamQueue());
    private readonly MailQueue _queue;

    public MailQueueTests() => _queue = new(_store, new MailQueueOptions(), _time, NullLogger.Instance, _counters);

    public ValueTask DisposeAsync() => _queue.DisposeAsync();

    [Fact]
    public async Task A_message_goes_in_and_comes_out()
    {
        IReadOnlyList<Envelope>? announced = null;
        _queue.Committed += envelopes => announced = envelopes;
        byte[] content = new byte[200_000];
        Random.Shared.NextBytes(content);
        Envelope[] envelopes = await PutAsync(content, 3);
        Assert.Equal(envelopes, announced);
        await using Stream stream = (await _queue.OpenMessageAsync(envelopes[0].Id.Message, TestContext.Current.CancellationToken)).Content!;
        using MemoryStream read = new();
        await stream.CopyToAsync(read, TestContext.Current.CancellationToken);
        Assert.Equal(content, read.ToArray());
        Assert.Equal(envelopes.OrderBy(envelope => envelope.Id), await WalkAsync());
    }

    [Fact]
    public async Task The_first_load_reads_nothing_from_the_store_and_the_second_gets_the_same()
    {
        Envelope envelope = Assert.Single(await PutAsync([1]));
        _store.Walks = 0;
        Assert.Same(envelope, (await _queue.LoadAsync(envelope.Id, TestContext.Current.CancellationToken)).Envelope);
        Assert.Equal(0, _store.Walks);
        Assert.Equal(envelope, (await _queue.LoadAsync(envelope.Id, TestContext.Current.CancellationToken)).Envelope);
        Assert.Equal(1, _store.Walks);
    }

    [Fact]
    public async Task An_update_is_what_is_loaded_next()
    {
        Envelope envelope = Assert.Single(await PutAsync([1]));
        Envelope tried = envelope with { Tries = 1, Error = "later" };
        Assert.True((await _queue.UpdateAsync(tried, TestContext.Current.CancellationToken)).IsOk);
        Assert.Equal(tried, (await _queue.LoadAsync(envelope.Id, TestContext.Current.CancellationToken)).Envelope);
    }

    [Fact]
    public async Task A_taken_id_is_drawn_again()
    {
        _store.Exists = 3;
        (QueueResult result, MessageWriter? writer) = await _queue.CreateMessageAsync(TestContext.Current.CancellationToken);
        Assert.True(result.IsOk);
        Assert.NotNull(writer);
        _store.Exists = int.MaxValue;
        Assert.Equal(QueueStatus.Error, (await _queue.CreateMessageAsync(TestContext.Current.CancellationToken)).Result.Status);
    }

    [Fact]
    public async Task A_commit_that_fails_tells_nobody()
    {
        _queue.Committed += _ => Assert.Fail("it is not in the queue");
        _store.Fails = true;
        MessageWriter writer = (await _queue.CreateMessageAsync(TestContext.Current.CancellationToken)).Writer!;
        Envelope envelope = Sample(writer.DrawEnvelopeId());
        writer.AddEnvelope(envelope);
        Assert.Equal(QueueStatus.Error, (await writer.CommitAsync(TestContext.Current.CancellationToken)).Status);
        _store.Fails = false;
        Assert.Equal(QueueStatus.NotFound, (await _queue.LoadAsync(envelope.Id, TestContext.Current.CancellationToken)).Result.Status);
        writer.Rollback();
    }

    [Fact]
    public async Task A_failing_listener_does_not_fail_the_commit()
    {
        _queue.Committed += _ => throw new InvalidOperationException("a bug");
        Assert.Single(await PutAsync([1]));
    }

    [Fact]
    public async Task A_message_without_envelopes_leaves_nothing()
    {
        MessageWriter writer = (await _queue.CreateMessageAsync(TestContext.Current.CancellationToken)).Writer!;
        await writer.WriteAsync(new byte[10], TestContext.Current.CancellationToken);
        Assert.Equal(10, writer.Size);
        Assert.True((await writer.CommitAsync(TestContext.Current.CancellationToken)).IsOk);
        Assert.True((await _store.CreateMessageAsync(writer.Id, TestContext.Current.CancellationToken)).IsOk);
    }

    [Fact]
    public async Task Envelopes_join_a_message_that_is_there()
    {
        Envelope first = Assert.Single(await PutAsync([1]));
        MessageWriter more = _queue.ExtendMessage(first.Id.Message);
        Assert.Throws<InvalidOperationException>(() => { _ = more.WriteAsync(new byte[1], TestContext.Current.CancellationToken); });
        Envelope second = Sample(more.DrawEnvelopeId());
        more.AddEnvelope(second);
        Assert.True((await more.CommitAsync(TestContext.Current.CancellationToken)).IsOk);
        Assert.Equal(2, (await WalkAsync()).Count);

        MessageWriter clash = _queue.ExtendMessage(first.Id.Message);
        clash.AddEnvelope(second with { Error = "another" });
        Assert.Equal(QueueStatus.Error, (await clash.CommitAsync(TestContext.Current.CancellationToken)).Status);
        Assert.DoesNotContain(await WalkAsync(), envelope => envelope.Error is not null);
    }

    [Fact]
    public void An_envelope_has_an_id_of_its_message_and_of_its_own()
    {
        MessageWriter writer = _queue.ExtendMessage(new(5));
        for (int i = 0; i < 40; i++)
            writer.AddEnvelope(Sample(new(5UL << 32 | (uint)(i + 1))));
        Assert.Throws<ArgumentException>(() => writer.AddEnvelope(Sample(new(5UL << 32 | 1))));
        Assert.Throws<ArgumentException>(() => writer.AddEnvelope(Sample(new(5UL << 32 | 39))));
        Assert.Throws<ArgumentException>(() => writer.AddEnvelope(Sample(new(6UL << 32 | 1))));
    }

    [Fact]
    public async Task A_delete_that_fails_hides_the_envelope_and_is_repeated()
    {
        Envelope envelope = Assert.Single(await PutAsync([1]));
        _store.Fails = true;
        Assert.True((await _queue.DeleteAsync(envelope.Id, TestContext.Current.CancellationToken)).IsOk);
        Assert.Equal(1, _counters["queue.unconfirmed"].Value);
        _store.Fails = false;
        Assert.Equal(QueueStatus.NotFound, (await _queue.LoadAsync(envelope.Id, TestContext.Current.CancellationToken)).Result.Status);
        Assert.Empty(await WalkAsync());
        Assert.Single((await _store.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
        await AdvanceUntilAsync(() => _counters["queue.unconfirmed"].Value == 0);
        Assert.Empty((await _store.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
    }

    [Fact]
    public async Task The_last_of_several_writes_that_fail_is_the_one_that_stays()
    {
        Envelope[] envelopes = await PutAsync([1], 2);
        _store.Fails = true;
        for (int i = 1; i <= 3; i++)
            await _queue.UpdateAsync(envelopes[0] with { Tries = i }, TestContext.Current.CancellationToken);
        await _queue.UpdateAsync(envelopes[1] with { Tries = 1 }, TestContext.Current.CancellationToken);
        await _queue.DeleteAsync(envelopes[1].Id, TestContext.Current.CancellationToken);
        Assert.Equal(3, (await _queue.LoadAsync(envelopes[0].Id, TestContext.Current.CancellationToken)).Envelope!.Tries);
        Assert.Equal(2, _counters["queue.unconfirmed"].Value);
        await AdvanceUntilAsync(() => _store.Refused > 8);
        _store.Fails = false;
        await AdvanceUntilAsync(() => _counters["queue.unconfirmed"].Value == 0);
        Assert.Equal([envelopes[0] with { Tries = 3 }], await WalkAsync());
    }

    [Fact]
    public async Task What_failed_is_done_at_the_latest_when_the_queue_closes()
    {
        Envelope envelope = Assert.Single(await PutAsync([1]));
        _store.Fails = true;
        await _queue.DeleteAsync(envelope.Id, TestContext.Current.CancellationToken);
        _store.Fails = false;
        await _queue.DisposeAsync();
        Assert.Empty((await _store.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
    }

    [Fact]
    public void Nothing_that_a_store_may_have_is_more_than_a_damaged_envelope()
    {
        EnvelopeCodec codec = new(new QueueKey(new byte[32]));
        byte[] good = codec.Serialize(Sample(new(0x0000000100000001)));
        Gen<byte[]> mutants = Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte, Gen.Int[0, good.Length]).Select((at, value, end) =>
        {
            byte[] mutant = [.. good];
            mutant[at] = value;
            return mutant[..Math.Max(end, at)];
        });
        Gen<byte[]> texts = Gen.OneOf([.. s_malformed.Select(Gen.Const)]).Select(System.Text.Encoding.UTF8.GetBytes);
        Gen.OneOf(mutants, texts, Gen.Byte.Array[0, 100]).Sample(json =>
        {
            (QueueResult result, Envelope? envelope) = codec.Parse(new(new(0x0000000100000001), json));
            Assert.Equal(result.IsOk, envelope is not null);
            Assert.True(result.IsOk || result.Message is not null);
        });
    }

    [Fact]
    public async Task Damaged_envelopes_are_left_out_of_the_walk_and_left_alone_in_the_store()
    {
        Envelope[] envelopes = await PutAsync([1], 4);
        await _store.UpdateEnvelopeAsync(envelopes[1].Id, "{\"half"u8.ToArray(), TestContext.Current.CancellationToken);
        await _store.UpdateEnvelopeAsync(envelopes[2].Id, envelopes[3].ToJson(), TestContext.Current.CancellationToken);
        Assert.Equal(new[] { envelopes[0], envelopes[3] }.OrderBy(envelope => envelope.Id), await WalkAsync());
        await _queue.LoadAsync(envelopes[1].Id, TestContext.Current.CancellationToken);
        Assert.Equal(QueueStatus.NotFound, (await _queue.LoadAsync(envelopes[1].Id, TestContext.Current.CancellationToken)).Result.Status);
        Assert.Equal(4, (await _store.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes.Count);
    }

    [Fact]
    public async Task What_is_not_there_cannot_be_opened() =>
        Assert.Equal(QueueStatus.NotFound, (await _queue.OpenMessageAsync(new(1), TestContext.Current.CancellationToken)).Result.Status);

    [Theory]
    [InlineData(1L << 40, 2L << 30, false)]
    [InlineData(1L << 40, 1L << 29, true)]
    [InlineData(10L << 30, (1L << 29) - 1, true)]
    [InlineData(10L << 30, 1L << 30, false)]
    [InlineData(100L << 20, 50L << 20, true)]
    public void Space_is_short_below_a_share_of_the_disk_within_sensible_bounds(long total, long available, bool isShort)
    {
        SpoolSpace space = new("/", _time, NullLogger.Instance, _ => new FileSystemSpace(available, total, 1000, 0));
        Assert.Equal(isShort, space.IsShort);
    }

    [Fact]
    public void Space_is_looked_at_once_a_second_and_an_answer_that_does_not_come_is_no_space()
    {
        int looks = 0;
        FileSystemSpace? room = new(1 << 30, 1 << 30, 5, 1_000_000);
        SpoolSpace space = new("/", _time, NullLogger.Instance, _ => { looks++; return room; });
        Assert.True(space.IsShort);
        room = new(1 << 30, 1 << 30, 500_000, 1_000_000);
        Assert.True(space.IsShort);
        Assert.Equal(1, looks);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(space.IsShort);
        room = null;
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(space.IsShort);
        Assert.Equal(3, looks);
    }

    private async Task<Envelope[]> PutAsync(byte[] content, int envelopes = 1)
    {
        MessageWriter writer = (await _queue.CreateMessageAsync()).Writer!;
        await writer.WriteAsync(content);
        for (int i = 0; i < envelopes; i++)
            writer.AddEnvelope(Sample(writer.DrawEnvelopeId()));
        Assert.True((await writer.CommitAsync()).IsOk);
        return [.. writer.Envelopes];
    }

    private async Task<List<Envelope>> WalkAsync()
    {
        List<Envelope> found = [];
        await foreach (Envelope envelope in _queue.WalkAsync())
            found.Add(envelope);
        return found;
    }

    // The repeating task runs beside the test; the clock moves until it has done its part.
    private async Task AdvanceUntilAsync(Func<bool> condition)
    {
        long deadline = Environment.TickCount64 + 30_000;
        while (!condition() && Environment.TickCount64 < deadline)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.True(condition());
    }

    internal static Envelope Sample(EnvelopeId id) => new()
    {
        Id = id,
        Kind = EnvelopeKind.Mda,
        Action = "local",
        Sender = "sender@example.org",
        Recipient = "rcpt@example.org",
        Destination = "rcpt@example.org",
        Size = 5000,
        Created = 1_700_000_000,
        Expires = 1_700_345_600,
    };
}
