using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Delivering;

namespace Posthouse.Bench.Delivering;

/// <summary>What a delivery pays for being remembered beyond a crash: one entry and its end.</summary>
[MemoryDiagnoser]
public class InFlightRecordBenchmark
{
    private string _directory = "";
    private InFlightRecord _record = null!;

    [GlobalSetup]
    public void Open()
    {
        _directory = Directory.CreateTempSubdirectory("posthouse-bench-").FullName;
        _record = InFlightRecord.Open(Path.Combine(_directory, "inflight"), false, NullLogger.Instance)!;
    }

    [GlobalCleanup]
    public void Close()
    {
        _record.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Benchmark]
    public void EnterAndLeave()
    {
        int slot = _record.Enter(new EnvelopeId(0x0123456789abcdef));
        _record.Acquit(new EnvelopeId(0x0123456789abcdef));
        _record.Leave(slot);
    }
}
