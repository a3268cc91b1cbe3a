namespace Posthouse.Server.Transport;

/// <summary>A <c>ca</c> of the configuration: its name, and the PEM file of its authorities.</summary>
public sealed record AuthorityFile(string Name, string Path)
{
    /// <summary>Where the configuration names it, as <c>file:line:column</c>, for messages.</summary>
    public string? Position { get; init; }
}
