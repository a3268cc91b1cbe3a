using Posthouse.Server.Model;

namespace Posthouse.Server.Tables;

/// <summary>Finds an account of the system by name. May block for as long as the system's name service does.</summary>
public delegate AccountLookup AccountFinder(string name);

/// <summary>The account found, or null; with <paramref name="Error"/> when it cannot be known whether there is one.</summary>
public readonly record struct AccountLookup(UserAccount? Account, string? Error = null);
