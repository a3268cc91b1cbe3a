using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>A program that filters run in: of a <c>proc</c> statement, or of one filter alone.</summary>
public sealed record FilterProcess(string Name, PlugCommand Command);
