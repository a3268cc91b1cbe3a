namespace Posthouse.Server.Naming;

/// <summary>The name of a client by its address, or null, and whether that name leads back.</summary>
public readonly record struct ReverseName(string? Name, ForwardConfirmation Confirmation)
{
    /// <summary>As log lines, headers and filters have it: the name or <c>&lt;unknown&gt;</c>.</summary>
    public override string ToString() => Name ?? "<unknown>";
}
