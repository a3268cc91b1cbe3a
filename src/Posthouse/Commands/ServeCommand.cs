using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Hosting;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Commands;

/// <summary><c>posthouse serve</c>, and <c>smtpd</c>: runs the server in the foreground until it is told to stop.</summary>
public static class ServeCommand
{
    private const int QueueKeySize = 32;

    // Never given back: a second SIGTERM on the way out would otherwise end the process with the signal's own exit status.
    private static PosixSignalRegistration[] s_stopSignals = [];

    private const string Usage = """
        usage: posthouse serve [-f FILE] [--state DIR] [-n] [-v] [-D name=value] [-P smtp|mta|mda] [--users E,K,P,M] [--ignore-unsupported]
               smtpd [-dhnv] [-B queue=BACKEND] [-D name=value] [-f FILE] [-P smtp|mta|mda]

        """;

    /// <summary>Serves, or with <c>-n</c> only checks. Exit status 0 after a stop that was asked for, 1 when it could not serve.</summary>
    public static int Run(string[] args)
    {
        // Before a file is opened that would get the number of one that is not there.
        using InheritedSockets inherited = InheritedSockets.FromEnvironment();
        ArgumentReader reader = new(args);
        string? file = null, state = null;
        bool check = false, verbose = false, json = false;
        Dictionary<string, string> defines = new(StringComparer.Ordinal);
        ServeOptions options = new() { State = new("/") };
        string? backend = null;
        while (reader.NextOption() is { } option)
        {
            switch (option)
            {
                case "-f" when reader.Value() is { } value:
                    file = value;
                    break;
                case "--state" when reader.Value() is { Length: > 0 } value:
                    state = value;
                    break;
                case "-D" when ConfigurationFile.TryDefine(defines, reader.Value()):
                    break;
                case "-n":
                    check = true;
                    break;
                case "-v":
                    verbose = true;
                    break;
                case "-d" or "-F":
                    // OpenSMTPD's "stay in the foreground": this server always does.
                    break;
                case "--json":
                    json = true;
                    break;
                case "-P" when Pause(options, reader.Value()) is { } paused:
                    options = paused;
                    break;
                case "-B" when reader.Value() is { } value && value.StartsWith("queue=", StringComparison.Ordinal):
                    backend = value["queue=".Length..];
                    break;
                case "--users" when reader.Value() is { } value && ServiceUsers.TryParse(value, out ServiceUsers users):
                    options = options with { Users = users };
                    break;
                case "--ignore-unsupported":
                    options = options with { IgnoreUnsupported = true };
                    break;
                default:
                    Console.Error.Write(Usage);
                    return option is "-h" or "--help" ? 0 : 1;
            }
        }

        if (reader.Rest.Count > 0)
        {
            Console.Error.Write(Usage);
            return 1;
        }

        ConfigurationReading reading = ConfigurationReading.Read(ConfigurationFile.Find(file), defines, backend, verbose);
        if (check) return CheckCommand.Report(reading.Result, json);
        foreach (Diagnostic diagnostic in reading.Result.Diagnostics) Console.Error.WriteLine(diagnostic);
        if (reading.Configuration is not { } configuration) return 1;
        if (configuration.Queue.Encryption && (options = options with { QueueKey = ReadQueueKey(configuration.Queue) }).QueueKey is not { Length: QueueKeySize })
        {
            Console.Error.WriteLine($"posthouse: the key of the encrypted queue must have exactly {QueueKeySize} bytes");
            return 1;
        }

        return ServeAsync(reading, options with { State = StateDirectory.Find(state) }, verbose, inherited).GetAwaiter().GetResult();
    }

    // On a terminal the key is asked for; otherwise it is the first line of standard input.
    private static byte[]? ReadQueueKey(QueueConfiguration queue)
    {
        string? key = queue.EncryptionKey;
        if (key == QueueConfiguration.KeyFromStandardInput)
        {
            if (!Console.IsInputRedirected) Console.Error.Write("queue encryption key: ");
            key = Console.In.ReadLine();
        }

        return key is null ? null : Encoding.UTF8.GetBytes(key);
    }

    private static ServeOptions? Pause(ServeOptions options, string? what) => what switch
    {
        "smtp" => options with { PauseSmtp = true },
        "mta" => options with { PauseMta = true },
        "mda" => options with { PauseMda = true },
        _ => null,
    };

    private static async Task<int> ServeAsync(ConfigurationReading reading, ServeOptions options, bool verbose, InheritedSockets inherited)
    {
        using Stream error = Console.OpenStandardError();
        using MailLog log = new(error, TimeProvider.System, Environment.GetEnvironmentVariable("POSTHOUSE_LOG") == "json");
        if (verbose) log.Level = LogLevel.Debug;
        using ServiceNotification supervisor = ServiceNotification.FromEnvironment();
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        s_stopSignals = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop), PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop)];
        await using Parent server = new(options, reading, verbose, inherited, supervisor, log, TimeProvider.System);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            _ = server.ReloadAsync();
        });
        if (await server.StartAsync() is { } fault)
        {
            Console.Error.WriteLine($"posthouse: {fault.Detail ?? fault.PublicText}");
            return 1;
        }

        await stop.Task;
        await server.StopAsync();
        return 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }
}
