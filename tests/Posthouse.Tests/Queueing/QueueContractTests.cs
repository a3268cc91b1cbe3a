using Posthouse.Plugs;
using Posthouse.Plugs.Testing;

namespace Posthouse.Tests.Queueing;

/// <summary>Runs the contract kit on a store: derive, say what the store promises, and open it.</summary>
public abstract class QueueContractTests(QueueTraits traits)
{
    public static TheoryData<string> Checks => [.. QueueContract.Checks.Select(check => check.Name)];

    /// <summary>Opens the store, every time the same one.</summary>
    protected abstract Task<IQueue> OpenAsync();

    [Theory]
    [MemberData(nameof(Checks))]
    public async Task The_store_keeps_the_contract(string name)
    {
        QueueCheck check = QueueContract.Find(name);
        if (check.AppliesTo(traits)) await check.RunAsync(OpenAsync);
    }
}
