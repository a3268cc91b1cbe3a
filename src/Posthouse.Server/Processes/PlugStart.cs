namespace Posthouse.Server.Processes;

/// <summary>A plug that runs, or why it does not. One of the two is null.</summary>
/// <param name="Process">The process; the receiver disposes it.</param>
/// <param name="Failure">The reason, for the log.</param>
public sealed record PlugStart(IPlugProcess? Process, string? Failure);
