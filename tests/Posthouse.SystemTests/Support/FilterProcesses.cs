using System.Globalization;

namespace Posthouse.SystemTests.Support;

/// <summary>The processes of the filters of a server.</summary>
internal static class FilterProcesses
{
    /// <summary>The ids of the descendants of a server whose command line has a text in it.</summary>
    public static int[] Of(RunningServer server, string text)
    {
        List<int> found = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id == server.ProcessId) continue;
            if (Read(id, "cmdline").Replace('\0', ' ').Contains(text, StringComparison.Ordinal) && DescendsFrom(id, server.ProcessId)) found.Add(id);
        }

        return [.. found];
    }

    /// <summary>SIGKILL to all of them; says how many there were.</summary>
    public static async Task<int> KillAsync(RunningServer server, string text)
    {
        int[] found = Of(server, text);
        if (found.Length > 0) await Tool.RunAsync("kill", ["-KILL", .. found.Select(id => id.ToString(CultureInfo.InvariantCulture))]);
        return found.Length;
    }

    /// <summary>Waits until one runs that is not among those, and answers its id.</summary>
    public static async Task<int> AnotherAsync(RunningServer server, string text, params int[] old) =>
        (await server.WaitForAsync(() => Of(server, text).Except(old).ToArray() is { Length: > 0 } fresh ? fresh : null, () => $"no process of {text}"))[0];

    private static bool DescendsFrom(int id, int ancestor)
    {
        while (id > 1)
        {
            string status = Read(id, "stat");
            int end = status.LastIndexOf(')');
            if (end < 0) return false;
            id = int.Parse(status[(end + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
            if (id == ancestor) return true;
        }

        return false;
    }

    private static string Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
