using System.Collections;

namespace Posthouse.Server.Hosting;

/// <summary>The environment of the server's own processes: what the runtime may be told by, and nothing that somebody's shell happened to have.</summary>
internal static class ServerEnvironment
{
    /// <summary>NAME=VALUE.</summary>
    internal static IReadOnlyList<string> Variables()
    {
        List<string> variables = ["PATH=/usr/bin:/bin"];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (variable is { Key: string name, Value: string value }
                && (name.StartsWith("DOTNET_", StringComparison.Ordinal) || name is "POSTHOUSE_LOG" or "SSL_CERT_FILE" or "SSL_CERT_DIR" or "LOCALDOMAIN" or "RES_OPTIONS"))
                variables.Add($"{name}={value}");
        }
        if (Environment.GetEnvironmentVariable("DOTNET_EnableDiagnostics") is null) variables.Add("DOTNET_EnableDiagnostics=0");
        return variables;
    }
}
