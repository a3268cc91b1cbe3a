namespace Posthouse.Server.Model;

/// <summary>What came of serving by another configuration while running.</summary>
/// <param name="Fault">Why nothing was changed, for the operator to read, perhaps in several lines; null when it was.</param>
/// <param name="Unchanged">What differs and changes only at a restart: <c>file:line:column: what</c>. The old value stays in force.</param>
public sealed record ReloadResult(Fault? Fault, IReadOnlyList<string> Unchanged)
{
    /// <summary>Nothing was changed.</summary>
    public static ReloadResult Refused(Fault fault) => new(fault, []);
}
