using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>A user's .forward file: its content, or nothing when there is none (or it is empty), or the fault that keeps it from being obeyed.</summary>
public sealed record ForwardFile(string? Content, Fault? Fault = null)
{
    /// <summary>The user has none: deliver as usual.</summary>
    public static ForwardFile Absent { get; } = new((string?)null);
}
