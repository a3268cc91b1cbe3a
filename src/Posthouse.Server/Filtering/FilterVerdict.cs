using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>What the filters of a session say to a command. The default is to proceed.</summary>
/// <param name="Refusal">The reply instead of doing the command; null: it is done.</param>
/// <param name="Closes">Whether the connection is closed after <paramref name="Refusal"/>.</param>
/// <param name="Rewritten">What takes the place of the command's parameter; null: it stays.</param>
public readonly record struct FilterVerdict(SmtpReply? Refusal = null, bool Closes = false, string? Rewritten = null)
{
    /// <summary>Whether the command is to be done.</summary>
    public bool Proceeds => Refusal is null;
}
