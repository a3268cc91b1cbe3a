using System.Globalization;

namespace Posthouse.SystemTests.Support;

/// <summary>The filters of <c>Filters/Scripts</c>, which are written in Python on nothing but its standard library.</summary>
internal static class FilterScript
{
    private static readonly string s_folder = Path.Combine(SourceTree.Root, "tests", "Posthouse.SystemTests", "Filters", "Scripts");

    /// <summary>The statement that declares one, named after its script or otherwise.</summary>
    public static string Statement(string script, string arguments = "", string options = "", string? name = null) =>
        $"filter \"{name ?? script}\" proc-exec \"/usr/bin/python3 {{dir}}/{script}.py {{home}} {arguments}\" user \"{{user}}\" {options}\n";

    /// <summary>A configuration whose first listener has a filter, and its second one, without any by default, another.</summary>
    public static string Configuration(string statements, string filter, string second = "") =>
        $"{statements}\nlisten on 127.0.0.1 port {{port2}} {(second.Length > 0 ? $"filter {second}" : "")}\n{RunningServer.Simple.Replace("port {port}", $"port {{port}} filter {filter}", StringComparison.Ordinal)}";

    /// <summary>Puts the scripts where the filters' user can read them.</summary>
    public static void Copy(RunningServer server)
    {
        foreach (string file in Directory.EnumerateFiles(s_folder, "*.py"))
        {
            string copy = Path.Combine(server.Folder, Path.GetFileName(file));
            File.Copy(file, copy);
            File.SetUnixFileMode(copy, (UnixFileMode)0b110_100_100);
        }
    }

    /// <summary>Starts a server whose first listener has the filter of one script.</summary>
    public static Task<RunningServer> ServeAsync(string script, string arguments = "", string options = "") =>
        RunningServer.StartAsync(Configuration(Statement(script, arguments, options), $"\"{script}\""), prepare: Copy);

    /// <summary>The ids of all processes that a script has had, the last one last.</summary>
    public static int[] ProcessesOf(RunningServer server, string script)
    {
        string file = Path.Combine(server.Home, script + ".pids");
        return File.Exists(file) ? [.. File.ReadAllLines(file).Select(line => int.Parse(line, CultureInfo.InvariantCulture))] : [];
    }
}
