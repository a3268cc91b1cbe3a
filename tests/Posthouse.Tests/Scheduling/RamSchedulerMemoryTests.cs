using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Scheduling;

/// <summary>Looks at the memory of the whole process, so that no other test may run beside it.</summary>
[CollectionDefinition(nameof(RamSchedulerMemoryTests), DisableParallelization = true)]
[Collection(nameof(RamSchedulerMemoryTests))]
public class RamSchedulerMemoryTests
{
    [Fact]
    public async Task An_envelope_costs_less_than_150_bytes()
    {
        const int Count = 200_000;
        Random random = new(1);
        ScheduledEnvelope envelope = RamSchedulerTests.New(1);
        RamScheduler scheduler = new(new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds(RamSchedulerTests.Start)));
        // What earlier tests left is not to vanish while this one counts.
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        long before = GC.GetTotalMemory(true);
        for (int i = 0; i < Count; i++)
        {
            EnvelopeId id = new((ulong)random.NextInt64(1L << 40, long.MaxValue) | 1);
            scheduler.Insert(envelope with { Id = id });
            scheduler.Commit(id.Message);
        }

        double each = (double)(GC.GetTotalMemory(true) - before) / scheduler.Count;
        Assert.InRange(each, 48, 150);
        Assert.Equal(1000, (await scheduler.BatchAsync(1000, EnvelopeKinds.All, TimeSpan.Zero)).Count);
        TestContext.Current.SendDiagnosticMessage($"{each:0} bytes an envelope");
        GC.KeepAlive(scheduler);
    }
}
