using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>A file that an alias includes, open for reading, which the receiver closes; or why it is not.</summary>
public sealed record IncludedFile(SafeFileHandle? File, Fault? Fault = null);
