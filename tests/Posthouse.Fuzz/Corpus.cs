namespace Posthouse.Fuzz;

/// <summary>The inputs kept with the source: one folder for each target, every file an input as it is.</summary>
public static class Corpus
{
    /// <summary>The folder that was copied beside the program.</summary>
    public static string DefaultFolder => Path.Combine(AppContext.BaseDirectory, "corpus");

    /// <summary>The inputs of a target in a stable order, its own seeds first, and an empty one if there is nothing else.</summary>
    public static IReadOnlyList<byte[]> Read(FuzzTarget target, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        string path = Path.Combine(folder ?? DefaultFolder, target.Name);
        List<byte[]> inputs = [.. target.Seeds];
        if (Directory.Exists(path))
            inputs.AddRange(Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).Select(File.ReadAllBytes));
        return inputs.Count == 0 ? [[]] : inputs;
    }
}
