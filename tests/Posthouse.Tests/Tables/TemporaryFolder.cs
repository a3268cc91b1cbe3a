namespace Posthouse.Tests.Tables;

/// <summary>A folder that is gone when the test is over.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("posthouse-test-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public string Write(string name, string text)
    {
        // As an editor does it: a new file takes the place of the old.
        string temporary = this[name + ".new"];
        File.WriteAllText(temporary, text);
        File.Move(temporary, this[name], overwrite: true);
        return this[name];
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
