namespace Posthouse.SystemTests.Support;

/// <summary>Where the tests find what they run.</summary>
public static class SourceTree
{
    public static string Root { get; } = FindRoot();

    /// <summary>The native executable; or the one that POSTHOUSE_EXECUTABLE names; or, unpublished, the build's.</summary>
    public static string Executable
    {
        get
        {
            if (Environment.GetEnvironmentVariable("POSTHOUSE_EXECUTABLE") is { Length: > 0 } named) return named;
            string native = Path.Combine(Root, "out", "posthouse");
            return File.Exists(native) ? native : Path.Combine(Root, "src", "Posthouse", "bin", "Debug", "net10.0", "posthouse");
        }
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Posthouse.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests run inside the source tree");
    }
}
