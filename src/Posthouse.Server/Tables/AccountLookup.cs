using Posthouse.Server.Model;

namespace Posthouse.Server.Tables;

/// <summary>The account found, or null; with <paramref name="Error"/> when it cannot be known whether there is one.</summary>
public readonly record struct AccountLookup(UserAccount? Account, string? Error = null);
