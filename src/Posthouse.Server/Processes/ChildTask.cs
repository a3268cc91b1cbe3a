namespace Posthouse.Server.Processes;

/// <summary>What a child does that stays this executable.</summary>
/// <param name="Serve">Does it, by the words that follow its role; answers the exit code.</param>
/// <param name="Prepare">What must happen while it still sees the system, before it takes its identity and root.</param>
public sealed record ChildTask(Func<IReadOnlyList<string>, int> Serve, Action? Prepare = null);
