using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>Something that a configuration uses and this version of the server does not honour.</summary>
/// <param name="Position">Where it is used.</param>
/// <param name="What">What it is, for the administrator: <c>relay action "out"</c>.</param>
public sealed record UnsupportedFeature(SourcePosition Position, string What);
