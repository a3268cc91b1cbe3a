using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Tests.Queueing.Log;

public class LogDamageTests
{
    private const int Messages = 6;
    private const string Segment = "0000000001.segment";

    [Fact]
    public async Task A_last_segment_cut_anywhere_keeps_what_came_before()
    {
        (PowerCutFiles files, List<(EnvelopeId Id, long End)> put) = await WriteAsync(close: false);
        byte[] whole = files.ContentOf(Segment);
        for (int length = SegmentHeader.Room; length < whole.Length; length += length < put[^3].End ? 37 : 1)
        {
            files.Replace(Segment, whole[..length]);
            EnvelopeId[] expected = [.. put.Where(one => one.End <= length).Select(one => one.Id).Order()];
            Assert.Equal(expected, await OpenAsync(files.Copy()));
        }
    }

    [Fact]
    public async Task A_flipped_byte_costs_one_message_at_most_and_is_quarantined()
    {
        foreach (bool close in (bool[])[false, true])
        {
            (PowerCutFiles files, List<(EnvelopeId Id, long End)> put) = await WriteAsync(close);
            byte[] whole = files.ContentOf(Segment);
            for (int at = 0; at < whole.Length; at += at >= SegmentHeader.Room ? 11 : at % SegmentHeader.SecondCopy < 64 ? 3 : 397)
            {
                byte[] flipped = [.. whole];
                flipped[at] ^= 0x40;
                files.Replace(Segment, flipped);
                PowerCutFiles damaged = files.Copy();
                List<EnvelopeId> found = await OpenAsync(damaged);
                int lost = put.FindIndex(one => at < one.End && at >= SegmentHeader.Room);
                foreach ((EnvelopeId id, _) in put.Where((_, index) => index != lost))
                    Assert.True(found.Contains(id), $"a flip at {at} lost {id}");
                // Found again at the next start, without being damaged any more.
                Assert.Equal(found, await OpenAsync(damaged));
            }
        }
    }

    [Fact]
    public async Task Damage_in_the_middle_is_copied_to_quarantine()
    {
        (PowerCutFiles files, List<(EnvelopeId Id, long End)> put) = await WriteAsync(close: false);
        byte[] whole = files.ContentOf(Segment);
        whole[put[2].End + BatchHeader.Size + 3] ^= 1;
        files.Replace(Segment, whole);
        List<EnvelopeId> found = await OpenAsync(files);
        Assert.Equal(Messages - 1, found.Count);
        Assert.Equal($"0000000001-{put[2].End}.batch", Assert.Single(files.List("quarantine")));
        Assert.Equal(whole[(int)put[2].End..(int)put[3].End], files.ContentOf($"quarantine/0000000001-{put[2].End}.batch"));
    }

    [Fact]
    public async Task Damaged_content_is_an_error_and_not_wrong_bytes()
    {
        (PowerCutFiles files, List<(EnvelopeId Id, long End)> put) = await WriteAsync(close: true);
        byte[] whole = files.ContentOf(Segment);
        whole[put[2].End + BatchHeader.Size + RecordHeader.Size + 10] ^= 1;
        files.Replace(Segment, whole);
        await using LogQueue queue = Open(files);
        Assert.Equal(QueueStatus.Error, (await queue.ReadMessageAsync(put[3].Id.Message, 0, new byte[100])).Result.Status);
        Assert.Equal(QueueStatus.Ok, (await queue.ReadMessageAsync(put[4].Id.Message, 0, new byte[100])).Result.Status);
    }

    [Fact]
    public async Task The_content_of_a_mail_is_never_taken_for_a_batch()
    {
        // The attacker sends a batch of another store as the content, and then the batch around it rots.
        (PowerCutFiles other, _) = await WriteAsync(close: false);
        var files = new PowerCutFiles();
        LogQueue queue = Open(files);
        EnvelopeId first = await PutAsync(queue, other.ContentOf(Segment));
        EnvelopeId second = await PutAsync(queue, "short"u8.ToArray());
        PowerCutFiles killed = files.Copy();
        await queue.DisposeAsync();
        byte[] whole = killed.ContentOf(Segment);
        whole[SegmentHeader.Room + 1] ^= 1;
        killed.Replace(Segment, whole);
        Assert.Equal([second], await OpenAsync(killed));
        Assert.NotEqual(first, second);
    }

    [Fact]
    public async Task A_newer_format_is_refused()
    {
        (PowerCutFiles files, _) = await WriteAsync(close: true);
        byte[] whole = files.ContentOf(Segment);
        foreach (int copy in (int[])[0, SegmentHeader.SecondCopy])
        {
            int size = BitConverter.ToInt32(whole, copy + 12);
            whole[copy + 8] = 2;
            BitConverter.TryWriteBytes(whole.AsSpan(copy + size - 4), Crc32C.Of(whole.AsSpan(copy, size - 4)));
        }

        files.Replace(Segment, whole);
        Assert.Contains("format 2", Assert.Throws<IOException>(() => Open(files)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Garbage_of_any_kind_opens()
    {
        var random = new Random(5);
        (PowerCutFiles files, _) = await WriteAsync(close: true);
        byte[] whole = files.ContentOf(Segment);
        for (int round = 0; round < 200; round++)
        {
            byte[] garbled = [.. whole];
            for (int flips = random.Next(1, 40); flips > 0; flips--)
                garbled[random.Next(garbled.Length)] = (byte)random.Next(256);
            files.Replace(Segment, garbled[..random.Next(garbled.Length + 1)]);
            files.Replace("0000000002.segment", garbled[..random.Next(garbled.Length + 1)]);
            await OpenAsync(files.Copy());
        }
    }

    private static LogQueue Open(PowerCutFiles files) => LogQueue.Open(files, new LogQueueOptions(), TimeProvider.System, NullLogger.Instance);

    private static async Task<(PowerCutFiles Files, List<(EnvelopeId Id, long End)> Put)> WriteAsync(bool close)
    {
        var files = new PowerCutFiles();
        LogQueue queue = Open(files);
        var put = new List<(EnvelopeId, long)>();
        for (int i = 0; i < Messages; i++)
        {
            EnvelopeId id = await PutAsync(queue, Encoding.ASCII.GetBytes(new string((char)('a' + i), 150 + i)));
            put.Add((id, files.ContentOf(Segment).Length));
        }

        PowerCutFiles killed = files.Copy();
        await queue.DisposeAsync();
        return (close ? files : killed, put);
    }

    private static async Task<EnvelopeId> PutAsync(LogQueue queue, byte[] content)
    {
        EnvelopeId id = EnvelopeId.Draw(MessageId.Draw());
        await queue.CreateMessageAsync(id.Message);
        await queue.WriteMessageAsync(id.Message, content);
        queue.CreateEnvelope(id, "{}"u8.ToArray());
        Assert.True((await queue.CommitAsync(id.Message)).IsOk);
        return id;
    }

    // The envelopes that are found, after their messages have been read, whatever that gives.
    private static async Task<List<EnvelopeId>> OpenAsync(PowerCutFiles files)
    {
        await using LogQueue queue = Open(files);
        QueueWalk walk = await queue.WalkAsync(default, 1000);
        foreach (StoredEnvelope stored in walk.Envelopes)
            await queue.ReadMessageAsync(stored.Id.Message, 0, new byte[100]);
        return [.. walk.Envelopes.Select(stored => stored.Id)];
    }
}
