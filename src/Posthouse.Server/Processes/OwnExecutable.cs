namespace Posthouse.Server.Processes;

/// <summary>The command by which this server can be started again, for its child roles.</summary>
public sealed record OwnExecutable(IReadOnlyList<string> Command)
{
    /// <summary>
    /// The executable that runs; when that is the <c>dotnet</c> host or a test's, the <c>posthouse</c> that lies beside
    /// the server's libraries.
    /// </summary>
    public static OwnExecutable Default { get; } = Find();

    private static OwnExecutable Find()
    {
        string? running = Environment.ProcessPath;
        if (running is not null && Path.GetFileName(running) == "posthouse") return new([running]);
        string beside = Path.Combine(AppContext.BaseDirectory, "posthouse");
        return new([File.Exists(beside) ? beside : running ?? beside]);
    }
}
