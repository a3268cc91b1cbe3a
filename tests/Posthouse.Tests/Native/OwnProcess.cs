using System.Diagnostics;

namespace Posthouse.Tests.Native;

/// <summary>Runs an explicit test in a process of its own, for what cannot be undone in a process.</summary>
internal static class OwnProcess
{
    private const string FolderVariable = "POSTHOUSE_TEST_FOLDER";

    /// <summary>In that process: a directory that the test makes and removes.</summary>
    internal static string Folder => Environment.GetEnvironmentVariable(FolderVariable) ?? throw new InvalidOperationException($"{FolderVariable} is not set");

    /// <summary>Runs a method of a test class, which has two minutes.</summary>
    internal static async Task RunAsync(Type type, string method)
    {
        string folder = Directory.CreateTempSubdirectory("posthouse-own-").FullName;
        try
        {
            await RunAsync(type, method, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RunAsync(Type type, string method, string folder)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(type.Assembly.Location);
        foreach (string argument in (string[])["-noColor", "-explicit", "only", "-method", $"{type.FullName}.{method}"]) start.ArgumentList.Add(argument);
        start.Environment[FolderVariable] = folder;
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
        try
        {
            await child.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        }
        finally
        {
            if (!child.HasExited) child.Kill();
        }
        string said = await output + await errors;
        Assert.True(child.ExitCode == 0 && said.Contains("Total: 1, Errors: 0, Failed: 0, Skipped: 0, Not Run: 0", StringComparison.Ordinal), $"exit {child.ExitCode}\n{said}");
    }
}
