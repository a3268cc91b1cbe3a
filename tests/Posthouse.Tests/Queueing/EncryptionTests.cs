using System.Text;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public sealed class EncryptionTests
{
    private const int Chunk = 64 * 1024;
    private const int Sealed = Chunk + 16;
    private const int Header = 26;
    private static readonly byte[] s_key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly byte[] s_otherKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    // Around the borders of chunks, and anything.
    private static readonly Gen<int> s_sizes = Gen.OneOf(
        Gen.Int[0, 300], Gen.Int[0, 300_000], Gen.Int[-1, 1].Select(near => Chunk + near), Gen.Int[-1, 1].Select(near => (2 * Chunk) + near));

    [Fact]
    public Task A_body_of_any_size_written_in_any_pieces_comes_back() =>
        Gen.Select(s_sizes, Gen.Int[1, 100_000], Gen.Bool, Gen.Bool, Gen.Bool).SampleAsync(async (size, piece, compress, encrypt, text) =>
        {
            RamQueue store = new();
            await using MailQueue queue = Open(store, compress, encrypt ? s_key : null);
            byte[] content = Content(size, text);
            MessageId id = (await PutAsync(queue, content, piece)).Message;
            Assert.Equal(content, await ReadAsync(queue, id));
            // What was written under one setting is read under any that has the key.
            await using MailQueue another = Open(store, !compress, s_key);
            Assert.Equal(content, await ReadAsync(another, id));
        }, iter: 60);

    [Fact]
    public Task Any_change_to_an_encrypted_body_is_found_before_wrong_bytes_come_out() =>
        Gen.Select(Gen.Int[1, 200_000], Gen.OneOf(Gen.Double[0, 1], Gen.Int[0, 40].Select(at => (double)-at)), Gen.Int[0, 7], Gen.Int[0, 3]).SampleAsync(async (size, place, bit, kind) =>
        {
            RamQueue store = new();
            await using MailQueue queue = Open(store, false, s_key);
            byte[] content = Content(size, text: false);
            EnvelopeId id = await PutAsync(queue, content);
            byte[] stored = await RawAsync(store, id.Message);
            int at = Math.Min(place < 0 ? (int)-place : (int)(place * stored.Length), stored.Length - 1);
            byte[] changed = kind switch
            {
                0 => [.. stored[..at], (byte)(stored[at] ^ (1 << bit)), .. stored[(at + 1)..]],
                1 => stored[..Math.Max(1, at)],
                2 => [.. stored[..at], (byte)bit, .. stored[at..]],
                _ => [.. stored, .. stored[..(bit + 1)]],
            };
            await ReplaceAsync(store, id, changed);
            await AssertBrokenAsync(queue, id.Message, content);
        }, iter: 300);

    [Fact]
    public async Task Chunks_that_are_dropped_swapped_or_of_another_body_are_found()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, false, s_key);
        byte[] content = Content((3 * Chunk) + 100, text: false);
        EnvelopeId id = await PutAsync(queue, content);
        EnvelopeId twin = await PutAsync(queue, content);
        byte[] one = await RawAsync(store, id.Message);
        byte[] two = await RawAsync(store, twin.Message);
        Range first = Header..(Header + Sealed), second = (Header + Sealed)..(Header + (2 * Sealed)), third = (Header + (2 * Sealed))..(Header + (3 * Sealed));
        byte[][] forgeries =
        [
            [.. one[..Header], .. one[second], .. one[first], .. one[(Header + (2 * Sealed))..]],
            [.. one[..Header], .. one[first], .. one[third], .. one[(Header + (3 * Sealed))..]],
            one[..(Header + Sealed)],
            one[..(Header + (3 * Sealed))],
            one[..Header],
            [.. one[..Header], .. two[first], .. one[(Header + Sealed)..]],
            [.. one, .. one[first]],
            two,
        ];
        foreach (byte[] forgery in forgeries)
        {
            await ReplaceAsync(store, id, forgery);
            await AssertBrokenAsync(queue, id.Message, content);
        }

        await ReplaceAsync(store, id, one);
        Assert.Equal(content, await ReadAsync(queue, id.Message));
    }

    [Fact]
    public async Task A_damaged_compressed_body_is_a_broken_stream()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, true, null);
        byte[] content = Content(100_000, text: true);
        EnvelopeId id = await PutAsync(queue, content);
        byte[] stored = await RawAsync(store, id.Message);
        Assert.True(stored.Length < content.Length / 2);
        await ReplaceAsync(store, id, stored[..(stored.Length / 2)]);
        await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(queue, id.Message));
    }

    [Fact]
    public async Task A_plain_body_is_stored_as_it_came_and_one_that_looks_like_a_header_comes_back_too()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, false, null);
        byte[] plain = "Subject: x\r\n\r\n"u8.ToArray();
        Assert.Equal(plain, await RawAsync(store, (await PutAsync(queue, plain)).Message));
        byte[] tricky = "\0PHB\u0001\u0003tricky"u8.ToArray();
        Assert.Equal(tricky, await ReadAsync(queue, (await PutAsync(queue, tricky)).Message));
    }

    [Fact]
    public async Task A_wrong_or_missing_key_is_a_temporary_error_that_says_so()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, false, s_key);
        EnvelopeId id = await PutAsync(queue, [1, 2, 3]);
        foreach ((byte[]? key, string reason) in new[] { (s_otherKey, "another key"), ((byte[]?)null, "no key") })
        {
            MailQueue other = Open(store, false, key);
            OpenedMessage opened = await other.OpenMessageAsync(id.Message, TestContext.Current.CancellationToken);
            Assert.Equal(QueueStatus.Error, opened.Result.Status);
            Assert.Contains(reason, opened.Result.Message, StringComparison.Ordinal);
            QueueResult loaded = (await other.LoadAsync(id, TestContext.Current.CancellationToken)).Result;
            Assert.Equal(QueueStatus.Error, loaded.Status);
            Assert.Contains(reason, loaded.Message, StringComparison.Ordinal);
            await foreach (Envelope envelope in other.WalkAsync(cancellation: TestContext.Current.CancellationToken))
                Assert.Fail($"{envelope.Id} was opened without its key");
        }

        Assert.Throws<ArgumentException>(() => Open(store, false, new byte[31]));
    }

    [Fact]
    public async Task A_sealed_envelope_shows_nobody_and_comes_back_whole()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, false, s_key);
        EnvelopeId id = await PutAsync(queue, [1]);
        Envelope envelope = MailQueueTests.Sample(id) with { Error = "550 no such user", Client = "192.0.2.1", User = "someone", Tries = 2, NextTry = 77 };
        await queue.UpdateAsync(envelope, TestContext.Current.CancellationToken);
        StoredEnvelope stored = await StoredAsync(store, id);
        string json = Encoding.UTF8.GetString(stored.Json.Span);
        foreach (string secret in (string[])["example.org", "no such user", "192.0.2.1", "someone"])
            Assert.DoesNotContain(secret, json, StringComparison.Ordinal);
        Assert.Contains("\"nextTry\":77", json, StringComparison.Ordinal);
        Assert.Equal(envelope, (await queue.LoadAsync(id, TestContext.Current.CancellationToken)).Envelope);
        // Held without the key, by somebody who can write the spool.
        await store.UpdateEnvelopeAsync(id, EnvelopeCodec.WithSuspension(stored.Json.Span, true), TestContext.Current.CancellationToken);
        Assert.Equal(envelope with { Flags = EnvelopeFlags.Suspended }, (await queue.LoadAsync(id, TestContext.Current.CancellationToken)).Envelope);
    }

    [Fact]
    public async Task A_sealed_envelope_under_another_id_or_changed_is_damaged()
    {
        RamQueue store = new();
        await using MailQueue queue = Open(store, false, s_key);
        EnvelopeId id = await PutAsync(queue, [1]);
        EnvelopeId other = await PutAsync(queue, [1]);
        await queue.UpdateAsync(MailQueueTests.Sample(id) with { Tries = 1 }, TestContext.Current.CancellationToken);
        await queue.UpdateAsync(MailQueueTests.Sample(other) with { Tries = 1 }, TestContext.Current.CancellationToken);
        string json = Encoding.UTF8.GetString((await StoredAsync(store, other)).Json.Span);
        await store.UpdateEnvelopeAsync(id, Encoding.UTF8.GetBytes(json.Replace(other.ToString(), id.ToString(), StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        Assert.Equal(QueueStatus.NotFound, (await queue.LoadAsync(id, TestContext.Current.CancellationToken)).Result.Status);
        await store.UpdateEnvelopeAsync(other, Encoding.UTF8.GetBytes(json.Replace("\"sealed\":\"", "\"sealed\":\"AAAA", StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        Assert.Equal(QueueStatus.NotFound, (await queue.LoadAsync(other, TestContext.Current.CancellationToken)).Result.Status);
    }

    private static MailQueue Open(IQueue store, bool compress, byte[]? key) =>
        new(store, new MailQueueOptions { Compression = compress, EncryptionKey = key }, TimeProvider.System, NullLogger.Instance, new Counters());

    private static byte[] Content(int size, bool text)
    {
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        if (text)
        {
            for (int i = 0; i < size; i++)
                content[i] = (byte)('a' + (content[i] & 3));
        }

        return content;
    }

    private static async Task<EnvelopeId> PutAsync(MailQueue queue, byte[] content, int piece = int.MaxValue)
    {
        MessageWriter writer = (await queue.CreateMessageAsync()).Writer!;
        for (int at = 0; at < content.Length; at += Math.Min(piece, content.Length - at))
            await writer.WriteAsync(content.AsMemory(at, Math.Min(piece, content.Length - at)));
        EnvelopeId id = writer.DrawEnvelopeId();
        writer.AddEnvelope(MailQueueTests.Sample(id));
        Assert.True((await writer.CommitAsync()).IsOk);
        Assert.Equal(content.Length, writer.Size);
        return id;
    }

    private static async Task<byte[]> ReadAsync(MailQueue queue, MessageId id)
    {
        OpenedMessage opened = await queue.OpenMessageAsync(id);
        Assert.True(opened.Result.IsOk, opened.Result.Message);
        await using Stream stream = opened.Content!;
        using MemoryStream read = new();
        await stream.CopyToAsync(read);
        return read.ToArray();
    }

    // Either it does not open, or the stream breaks; what came before the break is right.
    private static async Task AssertBrokenAsync(MailQueue queue, MessageId id, byte[] content)
    {
        OpenedMessage opened = await queue.OpenMessageAsync(id);
        if (!opened.Result.IsOk)
            return;
        await using Stream stream = opened.Content!;
        using MemoryStream read = new();
        await Assert.ThrowsAnyAsync<IOException>(() => stream.CopyToAsync(read));
        Assert.Equal(content[..(int)read.Length], read.ToArray());
        await Assert.ThrowsAnyAsync<IOException>(() => stream.ReadExactlyAsync(new byte[1]).AsTask());
    }

    private static async Task<byte[]> RawAsync(RamQueue store, MessageId id)
    {
        byte[] buffer = new byte[1 << 20];
        return buffer[..(await store.ReadMessageAsync(id, 0, buffer)).Count];
    }

    private static async Task<StoredEnvelope> StoredAsync(RamQueue store, EnvelopeId id) => (await store.WalkAsync(new(id.Value - 1), 1)).Envelopes[0];

    private static async Task ReplaceAsync(RamQueue store, EnvelopeId id, byte[] body)
    {
        StoredEnvelope stored = await StoredAsync(store, id);
        await store.DeleteEnvelopeAsync(id);
        await store.CreateMessageAsync(id.Message);
        await store.WriteMessageAsync(id.Message, body);
        store.CreateEnvelope(id, stored.Json);
        await store.CommitAsync(id.Message);
    }
}
