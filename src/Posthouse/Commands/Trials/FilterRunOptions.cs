using System.Globalization;
using System.Net;
using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Hosting.Trials;
using Posthouse.Server.Model;

namespace Posthouse.Commands.Trials;

/// <summary>The command line of <c>posthouse filter run</c>.</summary>
internal sealed record FilterRunOptions
{
    private const string DefaultClient = "192.0.2.1";

    private string? _helo;

    internal required PlugCommand Command { get; init; }

    /// <summary>The file of the mail; <c>-</c> is standard input.</summary>
    internal string? Mail { get; init; }

    internal string From { get; init; } = "sender@example.net";

    internal IReadOnlyList<string> To { get; init; } = [];

    /// <summary>The file of the dialogue; null: the one that sends the mail.</summary>
    internal string? Script { get; init; }

    /// <summary>Null: a program of this machine.</summary>
    internal IPAddress? Client { get; init; } = IPAddress.Parse(DefaultClient);

    internal string? ReverseName { get; init; }

    internal string Helo
    {
        get => _helo ?? ReverseName ?? "client.example.net";
        init => _helo = value;
    }

    internal bool Tls { get; init; }

    internal CrashPoint? Crash { get; init; }

    /// <summary>Where the message goes that would be queued; <c>-</c> is standard output.</summary>
    internal string? Output { get; init; }

    internal bool Json { get; init; }

    internal bool Quiet { get; init; }

    /// <summary>Reads the options, which may stand on both sides of the command; null with the error, which is empty when help is asked for.</summary>
    internal static FilterRunOptions? Parse(IReadOnlyList<string> arguments, out string? error)
    {
        error = null;
        FilterRunOptions options = new() { Command = new("") };
        List<string> recipients = [];
        List<string> words = [];
        bool isAlways = false;
        for (IReadOnlyList<string> left = arguments; error is null && left.Count > 0;)
        {
            ArgumentReader reader = new(left);
            while (error is null && reader.NextOption() is { } option) (options, error) = Take(options, option, reader, recipients, ref isAlways);
            left = reader.Rest;
            if (left.Count == 0) break;
            words.Add(left[0]);
            left = [.. left.Skip(1)];
        }
        error ??= words switch
        {
            [] => "the command is missing",
            [_] => null,
            _ => $"one command, in quotes if it has arguments, not {words.Count}: {string.Join(' ', words)}",
        };
        if (options.Mail is null && options.Script is null) error ??= "--mail FILE is missing";
        if (isAlways && options.Crash is null) error ??= "--crash-always needs --crash-at";
        if (options is { Mail: "-", Script: "-" }) error ??= "standard input cannot be both the mail and the script";
        if (options is { Output: "-", Json: true }) error ??= "--json and --output - would write the same stream";
        if (error is not null) return null;
        return options with
        {
            Command = options.Command with { Command = words[0] },
            To = recipients.Count > 0 ? recipients : ["recipient@example.org"],
            Crash = options.Crash is null ? null : options.Crash with { IsEveryTime = isAlways },
        };
    }

    private static (FilterRunOptions Options, string? Error) Take(FilterRunOptions options, string option, ArgumentReader reader, List<string> recipients, ref bool isAlways)
    {
        switch (option)
        {
            case "--tls":
                return (options with { Tls = true }, null);
            case "--crash-always":
                isAlways = true;
                return (options, null);
            case "--json":
                return (options with { Json = true }, null);
            case "-q" or "--quiet":
                return (options with { Quiet = true }, null);
            case "-h" or "--help":
                return (options, "");
        }
        if (!s_valued.Contains(option)) return (options, $"unknown option {option}");
        if (reader.Value() is not { } value) return (options, $"{option} needs a value");
        switch (option)
        {
            case "--mail" when value.Length > 0:
                return (options with { Mail = value }, null);
            case "--from" when IsAddress(value):
                return (options with { From = Bare(value) }, null);
            case "--to" when IsAddress(value) && Bare(value).Length > 0:
                recipients.Add(Bare(value));
                return (options, null);
            case "--script" when value.Length > 0:
                return (options with { Script = value }, null);
            case "--client" when value == "local":
                return (options with { Client = null }, null);
            case "--client" when IPAddress.TryParse(value.Trim('[', ']'), out IPAddress? client):
                return (options with { Client = client }, null);
            case "--helo" when value.Length > 0 && !value.Any(char.IsControl):
                return (options with { Helo = value }, null);
            case "--rdns" when Wire.HostName.IsValidGreeting(Encoding.UTF8.GetBytes(value)):
                return (options with { ReverseName = value }, null);
            case "--crash-at" when CrashPoint.Parse(value) is { } crash:
                return (options with { Crash = crash }, null);
            case "--crash-at":
                return (options, $"--crash-at EVENT or EVENT:N, N at least 1; EVENT is one of {string.Join(", ", CrashPoint.Words)}");
            case "--on-failure" when value is "tempfail" or "bypass" or "reject":
                return (options with
                {
                    Command = options.Command with
                    {
                        OnFailure = value switch { "bypass" => PlugFailurePolicy.Bypass, "reject" => PlugFailurePolicy.Reject, _ => PlugFailurePolicy.Tempfail },
                    },
                }, null);
            case "--timeout" when Units.TryParseDelay(value, out TimeSpan timeout):
                return (options with { Command = options.Command with { Timeout = timeout } }, null);
            case "--output" when value.Length > 0:
                return (options with { Output = value }, null);
            default:
                return (options, string.Create(CultureInfo.InvariantCulture, $"{option} does not take '{value}'"));
        }
    }

    private static readonly string[] s_valued =
        ["--mail", "--from", "--to", "--script", "--client", "--helo", "--rdns", "--crash-at", "--on-failure", "--timeout", "--output"];

    // Malformed ones are the server's to refuse, as long as they stay one line.
    private static bool IsAddress(string value) => !value.Any(char.IsControl);

    private static string Bare(string value) => value is ['<', .. var address, '>'] ? address : value;
}
