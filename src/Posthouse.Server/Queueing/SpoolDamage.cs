namespace Posthouse.Server.Queueing;

/// <summary>One damaged thing in the spool: the store, the id of a message or envelope, and what is wrong.</summary>
public sealed record SpoolDamage(string Store, string Id, string Problem);
