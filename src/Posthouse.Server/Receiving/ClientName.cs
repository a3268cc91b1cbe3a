namespace Posthouse.Server.Receiving;

/// <summary>What the name service says of a client.</summary>
/// <param name="Name">Its reverse name; null when it has none or none was found in time.</param>
/// <param name="IsConfirmed">Whether an address of that name is the client's.</param>
public readonly record struct ClientName(string? Name, bool IsConfirmed);
