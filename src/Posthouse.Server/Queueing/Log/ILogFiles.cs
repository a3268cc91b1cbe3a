namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The directory of the log, as little of a file system as it needs, so that tests can put one in its place that fails,
/// tears and loses power. Paths are relative; the folders <c>bodies</c> and <c>quarantine</c> exist.
/// </summary>
internal interface ILogFiles : IDisposable
{
    /// <summary>The names of the files in a folder; "" is the directory itself.</summary>
    IReadOnlyList<string> List(string folder);

    /// <summary>Makes a file that must not exist.</summary>
    ILogFile Create(string path);

    ILogFile Open(string path);

    void Delete(string path);

    void Move(string from, string to);

    /// <summary>Makes creations, deletions and moves in a folder durable.</summary>
    void SyncFolder(string folder);
}
