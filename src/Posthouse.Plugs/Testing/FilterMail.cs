using Posthouse.Plugs.Filters;

namespace Posthouse.Plugs.Testing;

/// <summary>What a filter made of a whole mail.</summary>
/// <param name="Verdict">The first verdict that stopped the mail, or that of commit.</param>
/// <param name="Content">The message as it left the filter, with CRLF line ends; null when it was stopped before.</param>
/// <param name="IsJunk">Whether the filter marked it.</param>
public sealed record FilterMail(Verdict Verdict, byte[]? Content, bool IsJunk);
