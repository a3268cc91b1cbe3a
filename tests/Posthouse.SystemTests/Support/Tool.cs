using System.Diagnostics;

namespace Posthouse.SystemTests.Support;

/// <summary>Runs a program to its end and keeps what it said.</summary>
public sealed record Tool(int ExitCode, string Output, string Error)
{
    public static async Task<Tool> RunAsync(string program, IEnumerable<string> arguments, string? input = null, int seconds = 60, IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string key, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(seconds));
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(deadline.Token);
            try
            {
                if (input is not null) await process.StandardInput.WriteAsync(input.AsMemory(), deadline.Token);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended without reading; its exit code says what that means.
            }

            await process.WaitForExitAsync(deadline.Token);
            return new(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {seconds} s");
        }
    }

    public static Task<Tool> RunAsync(string program, params string[] arguments) => RunAsync(program, (IEnumerable<string>)arguments);

    public override string ToString() => $"exit {ExitCode}\n{Output}\n{Error}";
}
