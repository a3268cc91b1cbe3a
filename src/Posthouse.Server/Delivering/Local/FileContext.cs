namespace Posthouse.Server.Delivering.Local;

/// <summary>What storing a message needs besides the message: the clock and this machine's name.</summary>
internal sealed record FileContext(TimeProvider Time, string HostName);
