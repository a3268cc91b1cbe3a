namespace Posthouse.Server.Processes;

/// <summary>What a child does that stays this executable.</summary>
/// <param name="Serve">Does it, by the words that follow its role; answers the exit code.</param>
/// <param name="Prepare">What must happen while it still sees the system, before it takes its identity and root; answers what does not work, or null.</param>
public sealed record ChildTask(Func<IReadOnlyList<string>, int> Serve, Func<string?>? Prepare = null);
