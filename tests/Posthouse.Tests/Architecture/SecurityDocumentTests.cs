using System.Text.RegularExpressions;

namespace Posthouse.Tests.Architecture;

/// <summary>The document that says what is defended names tests; a renamed or removed one would leave a claim without its proof.</summary>
public partial class SecurityDocumentTests
{
    [Fact]
    public void Every_test_that_the_document_names_is_there()
    {
        string root = Root();
        Dictionary<string, string> sources = Directory.EnumerateFiles(Path.Combine(root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .GroupBy(static file => Path.GetFileNameWithoutExtension(file)).ToDictionary(static group => group.Key, static group => string.Concat(group.Select(File.ReadAllText)));
        IReadOnlyList<Match> names = NamedTest().Matches(File.ReadAllText(Path.Combine(root, "docs", "security.md")));
        Assert.True(names.Count > 30, "the names are not found");
        Assert.All(names, name =>
        {
            Assert.True(sources.TryGetValue(name.Groups["class"].Value, out string? source), name.Value);
            if (name.Groups["method"].Success) Assert.Contains($" {name.Groups["method"].Value}(", source, StringComparison.Ordinal);
        });
    }

    [GeneratedRegex(@"`(?<class>\w+Tests)(?:\.(?<method>\w+))?`")]
    private static partial Regex NamedTest();

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Posthouse.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests run inside the source tree");
    }
}
