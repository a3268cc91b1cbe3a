using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Bench.Queueing;

/// <summary>
/// What BenchmarkDotNet cannot say: durable commits per second with so many writers, and CPU of the whole process per
/// message, and how long a start takes.
/// </summary>
internal static class LogStoreRates
{
    private const int Size = 5 * 1024;
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(string parent)
    {
        string directory = Path.Combine(parent, $"posthouse-bench-{Environment.ProcessId}");
        try
        {
            Console.WriteLine("writers   commits/s   CPU us/message");
            foreach (int writers in (int[])[1, 20, 100])
                await MeasureAsync(directory, writers, delete: false);
            await MeasureAsync(directory, 100, delete: true);
            long started = Stopwatch.GetTimestamp();
            TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
            await using LogQueue queue = await OpenAsync(directory);
            int envelopes = 0;
            EnvelopeId after = default;
            TimeSpan opened = Stopwatch.GetElapsedTime(started);
            while ((await queue.WalkAsync(after, 1000)).Envelopes is { Count: > 0 } step)
            {
                envelopes += step.Count;
                after = step[^1].Id;
            }

            cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
            Console.WriteLine($"start with {envelopes} envelopes: opened in {opened.TotalSeconds:f2} s, walked after {Stopwatch.GetElapsedTime(started).TotalSeconds:f2} s, CPU {cpu.TotalSeconds:f2} s");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task MeasureAsync(string directory, int writers, bool delete)
    {
        await using LogQueue queue = await OpenAsync(directory);
        byte[] body = new byte[Size];
        Random.Shared.NextBytes(body);
        long count = 0;
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        long started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(async () =>
        {
            byte[] json = new byte[500];
            while (Stopwatch.GetElapsedTime(started) < s_duration)
            {
                EnvelopeId id = EnvelopeId.Draw(MessageId.Draw());
                if (!(await queue.CreateMessageAsync(id.Message)).IsOk) continue;
                await queue.WriteMessageAsync(id.Message, body);
                queue.CreateEnvelope(id, json);
                QueueResult result = await queue.CommitAsync(id.Message);
                if (!result.IsOk) throw new InvalidOperationException(result.Message);
                if (delete) await queue.DeleteEnvelopeAsync(id);
                Interlocked.Increment(ref count);
            }
        })));
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        Console.WriteLine($"{writers,7} {count / seconds,11:f0} {cpu.TotalMicroseconds / count,16:f1}{(delete ? "   each deleted again" : "")}");
    }

    private static Task<LogQueue> OpenAsync(string directory) =>
        LogQueue.OpenAsync(directory, new LogQueueOptions(), TimeProvider.System, NullLogger.Instance);
}
