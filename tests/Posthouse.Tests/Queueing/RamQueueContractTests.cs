using Posthouse.Plugs;
using Posthouse.Plugs.Testing;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public class RamQueueContractTests() : QueueContractTests(QueueTraits.Keeps)
{
    protected override Task<IQueue> OpenAsync() => Task.FromResult<IQueue>(new RamQueue());
}
