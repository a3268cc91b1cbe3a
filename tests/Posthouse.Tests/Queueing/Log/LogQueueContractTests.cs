using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Plugs.Testing;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Tests.Queueing.Log;

public sealed class LogQueueContractTests() : QueueContractTests(QueueTraits.Durable), IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-log-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    protected override async Task<IQueue> OpenAsync() =>
        await LogQueue.OpenAsync(_directory, new LogQueueOptions(), TimeProvider.System, NullLogger.Instance);
}

/// <summary>The same with segments and batches so small that everything is spread over many of them.</summary>
public sealed class SmallSegmentsContractTests() : QueueContractTests(QueueTraits.Durable), IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-log-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    protected override async Task<IQueue> OpenAsync() => await LogQueue.OpenAsync(
        _directory, new LogQueueOptions { SegmentSize = 20_000, LargestInlineBody = 10_000, BatchSize = 8_000, RecentBytes = 50_000 }, TimeProvider.System, NullLogger.Instance);
}
