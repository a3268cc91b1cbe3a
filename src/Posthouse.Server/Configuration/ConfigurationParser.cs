namespace Posthouse.Server.Configuration;

/// <summary>
/// Reads smtpd.conf. Whatever the text, it answers: with a configuration, or with every error by file, line and column.
/// Work and memory are bounded by <see cref="MaxSize"/>.
/// </summary>
public static class ConfigurationParser
{
    /// <summary>The most text that is read: characters of all files and of all macro expansions together.</summary>
    public const int MaxSize = 16 << 20;

    /// <summary>How deep files may include files.</summary>
    public const int MaxIncludeDepth = 16;

    private static readonly Dictionary<string, string> s_noDefines = [];

    /// <summary>Reads the file at <paramref name="path"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="defines">Macros that win over those of the file (<c>-D</c>).</param>
    /// <param name="environment">The machine.</param>
    /// <param name="reportUnusedMacros">Whether macros that nothing uses get a warning (<c>-v</c>).</param>
    public static ConfigurationResult Parse(
        string path, IReadOnlyDictionary<string, string>? defines, IConfigurationEnvironment environment, bool reportUnusedMacros = false)
    {
        FileText file = environment.ReadFile(path);
        if (file.Text is null)
            return new(null, [new(new(path, 0, 0), DiagnosticSeverity.Error, $"cannot read the configuration: {file.Error}")]);
        return ParseText(file.Text, path, defines, environment, reportUnusedMacros);
    }

    /// <summary>Reads <paramref name="text"/> as if it were the content of <paramref name="path"/>, which need not exist.</summary>
    /// <param name="text">The configuration.</param>
    /// <param name="path">The name for diagnostics and rules; relative includes are looked for beside it.</param>
    /// <param name="defines">Macros that win over those of the text (<c>-D</c>).</param>
    /// <param name="environment">The machine.</param>
    /// <param name="reportUnusedMacros">Whether macros that nothing uses get a warning (<c>-v</c>).</param>
    public static ConfigurationResult ParseText(
        string text, string path, IReadOnlyDictionary<string, string>? defines, IConfigurationEnvironment environment, bool reportUnusedMacros = false)
    {
        var diagnostics = new DiagnosticList();
        var lexer = new Lexer(diagnostics, path, text, defines ?? s_noDefines);
        ServerConfiguration? configuration = new StatementParser(lexer, diagnostics, environment).Parse();
        if (reportUnusedMacros)
            lexer.ReportUnusedMacros();
        return new(diagnostics.HasErrors ? null : configuration, diagnostics.Items);
    }
}
