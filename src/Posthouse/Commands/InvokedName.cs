namespace Posthouse.Commands;

/// <summary>The name this process was called by.</summary>
internal static class InvokedName
{
    /// <summary>
    /// The last part of argv[0]. It is read from the kernel, because what the runtime calls the first argument is, in a build that is not
    /// native, the path of an assembly.
    /// </summary>
    public static string Read()
    {
        try
        {
            string arguments = File.ReadAllText("/proc/self/cmdline");
            int end = arguments.IndexOf('\0', StringComparison.Ordinal);
            return Path.GetFileName(end < 0 ? arguments : arguments[..end]);
        }
        catch (IOException)
        {
            // Without /proc.
            return Path.GetFileName(Environment.GetCommandLineArgs().FirstOrDefault() ?? "posthouse");
        }
    }
}
