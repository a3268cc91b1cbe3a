using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The entry of an alias table or .forward that an envelope's source names, read again: <c>|command</c> or <c>/path</c>;
/// or the fault that keeps it from being read; or neither, when it is not there any more.
/// </summary>
public sealed record SourceAnswer(string? Entry, Fault? Fault = null);
