using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Tests.Queueing.Log;

/// <summary>
/// Drives a store with random work and knows what may be found after any interruption: for each envelope the states
/// that are possible (null is "not there"). A state acknowledged durable is the only one possible.
/// </summary>
internal sealed class LogModel(PowerCutFiles files, Random random)
{
    public static LogQueueOptions Options { get; } = new() { SegmentSize = 16_000, LargestInlineBody = 3_000, BatchSize = 6_000, RecentBytes = 20_000 };

    private readonly FakeTimeProvider _time = new();
    private readonly Dictionary<EnvelopeId, List<string?>> _possible = [];
    private readonly Dictionary<MessageId, byte[]> _content = [];

    public LogQueue Queue { get; private set; } = LogQueue.Open(files, Options, new FakeTimeProvider(), NullLogger.Instance);

    public int Failures { get; private set; }

    public int Successes { get; private set; }

    /// <summary>What may be found if everything stopped now.</summary>
    public Dictionary<EnvelopeId, List<string?>> Possible()
    {
        lock (_possible)
            return _possible.ToDictionary(pair => pair.Key, pair => pair.Value.ToList());
    }

    public async Task WorkAsync(int steps)
    {
        for (int step = 0; step < steps; step++)
        {
            EnvelopeId[] present = [.. _possible.Where(pair => pair.Value[^1] != null).Select(pair => pair.Key)];
            int choice = random.Next(10);
            if (choice < 3 || present.Length == 0) await CommitAsync(random.Next(1, 4));
            else if (choice < 5) await UpdateAsync(present[random.Next(present.Length)], $"\"{step}\"");
            else if (choice < 9) await DeleteAsync(present[random.Next(present.Length)]);
            else await Queue.Housekeeper.TidyAsync();
        }
    }

    /// <summary>Several messages at once, so that they share a batch.</summary>
    public async Task CommitAsync(int messages)
    {
        var adding = new List<(MessageId Message, EnvelopeId[] Envelopes)>();
        for (int i = 0; i < messages; i++)
        {
            MessageId message = MessageId.Draw();
            while (!(await Queue.CreateMessageAsync(message)).IsOk) message = MessageId.Draw();
            byte[] content = new byte[random.Next(8) == 0 ? random.Next(3_000, 9_000) : random.Next(0, 1_500)];
            random.NextBytes(content);
            await Queue.WriteMessageAsync(message, content);
            EnvelopeId[] envelopes = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => EnvelopeId.Draw(message)).Distinct()];
            foreach (EnvelopeId id in envelopes)
                Queue.CreateEnvelope(id, "\"new\""u8.ToArray());
            lock (_possible)
            {
                _content[message] = content;
                foreach (EnvelopeId id in envelopes) _possible[id] = [null, "\"new\"", null];
            }

            adding.Add((message, envelopes));
        }

        QueueResult[] results = await Task.WhenAll(adding.Select(one => Queue.CommitAsync(one.Message).AsTask()));
        lock (_possible)
        {
            // A sync makes everything before it durable.
            if (results.Any(result => result.IsOk)) Settle();
            for (int i = 0; i < results.Length; i++)
            {
                Count(results[i]);
                foreach (EnvelopeId id in adding[i].Envelopes)
                    _possible[id] = [results[i].IsOk ? "\"new\"" : null];
            }
        }
    }

    public async Task UpdateAsync(EnvelopeId id, string json)
    {
        string? before = Begin(id, json);
        QueueResult result = await Queue.UpdateEnvelopeAsync(id, Encoding.UTF8.GetBytes(json));
        Assert.NotEqual(QueueStatus.NotFound, result.Status);
        End(id, result, json, before);
    }

    public async Task DeleteAsync(EnvelopeId id)
    {
        string? before = Begin(id, null);
        QueueResult result = await Queue.DeleteEnvelopeAsync(id);
        Assert.NotEqual(QueueStatus.NotFound, result.Status);
        End(id, result, null, before);
    }

    public async Task ReopenAsync()
    {
        await Queue.DisposeAsync();
        lock (_possible) Settle();
        Queue = LogQueue.Open(files, Options, _time, NullLogger.Instance);
    }

    /// <summary>Opens a store on <paramref name="found"/> and compares.</summary>
    public async Task VerifyAsync(PowerCutFiles found, Dictionary<EnvelopeId, List<string?>> possible)
    {
        await using LogQueue queue = LogQueue.Open(found, Options, _time, NullLogger.Instance);
        await VerifyAsync(queue, possible);
    }

    public async Task VerifyAsync(LogQueue queue, Dictionary<EnvelopeId, List<string?>> possible)
    {
        var walked = new Dictionary<EnvelopeId, string>();
        EnvelopeId after = default;
        while ((await queue.WalkAsync(after, 7)).Envelopes is { Count: > 0 } step)
        {
            foreach (StoredEnvelope stored in step)
            {
                Assert.True(stored.Id.Value > after.Value);
                after = stored.Id;
                walked.Add(stored.Id, Encoding.UTF8.GetString(stored.Json.Span));
            }
        }

        foreach ((EnvelopeId id, List<string?> states) in possible)
        {
            string? state = walked.GetValueOrDefault(id);
            Assert.True(states.Contains(state), $"envelope {id} is {state ?? "gone"}, possible: {string.Join(", ", states.Select(one => one ?? "gone"))}");
        }

        byte[] buffer = new byte[20_000];
        foreach (EnvelopeId id in walked.Keys)
        {
            Assert.True(possible.ContainsKey(id));
            QueueRead read = await queue.ReadMessageAsync(id.Message, 0, buffer);
            Assert.True(read.Result.IsOk, read.Result.Message);
            Assert.Equal(_content[id.Message], buffer[..read.Count]);
        }
    }

    private string? Begin(EnvelopeId id, string? state)
    {
        lock (_possible)
        {
            string? before = _possible[id][^1];
            _possible[id].Add(state);
            _possible[id].Add(before);
            return before;
        }
    }

    private void End(EnvelopeId id, QueueResult result, string? state, string? before)
    {
        lock (_possible)
        {
            Count(result);
            _possible[id].Add(result.IsOk ? state : before);
        }
    }

    private void Settle()
    {
        foreach (List<string?> states in _possible.Values)
            states.RemoveRange(0, states.Count - 1);
    }

    private void Count(QueueResult result)
    {
        if (result.IsOk) Successes++;
        else Failures++;
    }
}
