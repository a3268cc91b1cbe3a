namespace Posthouse.Tests.Queueing;

/// <summary>A directory of its own for a test, removed with everything in it.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("posthouse-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
