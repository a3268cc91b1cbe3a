namespace Posthouse.Plugs.Testing;

/// <summary>
/// One check of the queue contract. It draws its own ids, tolerates whatever else is in the store and removes what
/// it put there, so checks run in any order and one after another on the same store.
/// </summary>
public sealed class QueueCheck
{
    private readonly Func<QueueProbe, Task> _run;

    internal QueueCheck(string name, QueueTraits needs, Func<QueueProbe, Task> run) => (Name, Needs, _run) = (name, needs, run);

    /// <summary>Stable name: lower case words joined by hyphens.</summary>
    public string Name { get; }

    /// <summary>The traits without which the check says nothing.</summary>
    public QueueTraits Needs { get; }

    /// <summary>Whether a store with <paramref name="traits"/> has to pass.</summary>
    public bool AppliesTo(QueueTraits traits) => (Needs & traits) == Needs;

    /// <summary>
    /// Runs the check. <paramref name="open"/> opens the store, every time the same one; the check disposes of what
    /// it opened before it opens again and when it ends.
    /// </summary>
    /// <exception cref="QueueContractException">The store failed it.</exception>
    public async Task RunAsync(Func<Task<IQueue>> open)
    {
        var probe = new QueueProbe(open);
        await using (probe)
        {
            await probe.ReopenAsync();
            await _run(probe);
            await probe.CleanAsync();
        }
    }
}
