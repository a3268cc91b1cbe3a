using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A user found in a userbase; neither account nor fault: there is none.</summary>
public sealed record AccountAnswer(UserAccount? Account, Fault? Fault = null);
