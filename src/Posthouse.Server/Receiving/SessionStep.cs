using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What follows from one line of a client: something to do, and for some of it the reply to send.</summary>
public readonly record struct SessionStep(SessionAction Action, SmtpReply? Reply = null);
