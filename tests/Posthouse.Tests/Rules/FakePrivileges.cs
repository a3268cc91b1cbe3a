using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Rules;

/// <summary>Answers .forward files from memory, and included files from the paths that a test says the configuration holds.</summary>
internal sealed class FakePrivileges : IExpansionFiles
{
    public Dictionary<string, ForwardFile> Forwards { get; } = [];

    /// <summary>The path of an include by the action, the key and the element's index.</summary>
    public Func<string, string, int, string?> Includes { get; set; } = static (_, _, _) => null;

    public ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation) =>
        new(Forwards.GetValueOrDefault(user, ForwardFile.Absent));

    public ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation) =>
        new(Includes(action, key, index) is { } path && FileDescriptor.Open(path, OpenFlags.ReadOnly, 0, out Microsoft.Win32.SafeHandles.SafeFileHandle? file) == 0
            ? new IncludedFile(file) : new(null, Fault.Temporary("Temporary failure", "it is not there")));
}
