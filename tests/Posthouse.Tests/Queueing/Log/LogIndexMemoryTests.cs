using Posthouse.Server.Queueing.Log;
using Posthouse.Tests.Scheduling;

namespace Posthouse.Tests.Queueing.Log;

/// <summary>Looks at the memory of the whole process, so that no other test may run beside it.</summary>
[Collection(nameof(RamSchedulerMemoryTests))]
public class LogIndexMemoryTests
{
    [Fact]
    public void A_message_with_one_envelope_takes_less_than_150_bytes()
    {
        const int Count = 200_000;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var index = new LogIndex();
        var random = new Random(1);
        for (int i = 0; i < Count; i++)
        {
            uint id = (uint)random.NextInt64(1, uint.MaxValue);
            if (index.FindMessage(id) == LogIndex.None)
                index.EnvelopeAt(index.AddEnvelope(index.AddMessage(id), 1)).Set(new(1, 1, 1), hasOlder: false);
        }

        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;
        GC.KeepAlive(index);
        Assert.InRange(each, 40, 150);
    }
}
