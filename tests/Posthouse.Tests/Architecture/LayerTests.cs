using System.Text.RegularExpressions;

namespace Posthouse.Tests.Architecture;

/// <summary>A folder of Posthouse.Server uses only folders that stand before it in docs/architecture.md.</summary>
public partial class LayerTests
{
    private static readonly string[] s_layers =
    [
        "Model", "Native", "Processes", "Naming", "Transport", "Tables", "Configuration", "Queueing", "Scheduling",
        "Filtering", "Rules", "Delivering", "Receiving", "Control", "Hosting",
    ];

    private static string Root
    {
        get
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "Posthouse.slnx")))
                folder = Path.GetDirectoryName(folder);
            return folder ?? throw new InvalidOperationException("the tests run inside the source tree");
        }
    }

    [Fact]
    public void A_folder_uses_only_folders_before_it()
    {
        List<string> violations = [];
        string server = Path.Combine(Root, "src", "Posthouse.Server");
        foreach (string file in SourceFiles(server))
        {
            string folder = Path.GetRelativePath(server, file).Split('/')[0];
            int layer = Array.IndexOf(s_layers, folder);
            if (layer < 0)
            {
                violations.Add($"{file}: {folder} is not a layer");
                continue;
            }

            foreach (Match use in ServerNamespace().Matches(File.ReadAllText(file)))
            {
                if (Array.IndexOf(s_layers, use.Groups[1].Value) > layer)
                    violations.Add($"{Path.GetRelativePath(server, file)} uses {use.Groups[1].Value}");
            }
        }

        Assert.Empty(violations.Distinct());
    }

    [Fact]
    public void Wire_and_Plugs_use_the_base_library_only()
    {
        foreach (string project in (string[])["Posthouse.Wire", "Posthouse.Plugs"])
        {
            string text = File.ReadAllText(Path.Combine(Root, "src", project, project + ".csproj"));
            Assert.DoesNotContain("Reference Include", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_declares_one_public_type_and_bears_its_name()
    {
        List<string> violations = [];
        foreach (string file in SourceFiles(Path.Combine(Root, "src")))
        {
            string[] types = [.. PublicType().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value).Distinct()];
            string name = Path.GetFileName(file).Split('.')[0];
            if (types.Length > 1 || (types.Length == 1 && types[0] != name))
                violations.Add($"{Path.GetRelativePath(Root, file)}: {string.Join(", ", types)}");
        }

        Assert.Empty(violations);
    }

    private static IEnumerable<string> SourceFiles(string folder) =>
        Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    [GeneratedRegex(@"Posthouse\.Server\.(\w+)")]
    private static partial Regex ServerNamespace();

    // Only types at the outermost level: nested ones are indented.
    [GeneratedRegex(@"^public (?:(?:static|sealed|abstract|partial|readonly|unsafe|ref) )*(?:class|record struct|record class|record|struct|interface|enum|delegate \S+) (\w+)", RegexOptions.Multiline)]
    private static partial Regex PublicType();
}
