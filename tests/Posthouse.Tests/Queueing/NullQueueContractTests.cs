using Posthouse.Plugs;
using Posthouse.Plugs.Testing;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public class NullQueueContractTests() : QueueContractTests(QueueTraits.None)
{
    protected override Task<IQueue> OpenAsync() => Task.FromResult<IQueue>(new NullQueue());
}
