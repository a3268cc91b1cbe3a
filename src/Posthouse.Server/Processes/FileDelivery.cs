using Posthouse.Plugs;

namespace Posthouse.Server.Processes;

/// <summary>A delivery into a file or maildir of a user: for whom and by which action (<paramref name="Envelope"/>), whether the message is marked as spam, and the message.</summary>
public sealed record FileDelivery(Envelope Envelope, bool IsJunk, IMessageContent Content);
