using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Bench.Queueing;

/// <summary>One durable commit of a 5 KB message and its delete, by so many at once.</summary>
[MemoryDiagnoser]
public class LogStoreBenchmark
{
    private readonly byte[] _body = new byte[5 * 1024];
    private readonly byte[] _json = new byte[500];
    private string _directory = "";
    private LogQueue _queue = null!;

    [Params(1, 20, 100)]
    public int Writers { get; set; }

    [GlobalSetup]
    public async Task Open()
    {
        _directory = Directory.CreateTempSubdirectory("posthouse-bench-").FullName;
        _queue = await LogQueue.OpenAsync(_directory, new LogQueueOptions(), TimeProvider.System, NullLogger.Instance);
    }

    [GlobalCleanup]
    public async Task Close()
    {
        await _queue.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Benchmark]
    public Task Commit() => Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => CommitOneAsync()));

    private async Task CommitOneAsync()
    {
        EnvelopeId id = EnvelopeId.Draw(MessageId.Draw());
        await _queue.CreateMessageAsync(id.Message);
        await _queue.WriteMessageAsync(id.Message, _body);
        _queue.CreateEnvelope(id, _json);
        await _queue.CommitAsync(id.Message);
        await _queue.DeleteEnvelopeAsync(id);
    }
}
