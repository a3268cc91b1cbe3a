using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Fuzz.Oracles;
using Posthouse.Wire;

namespace Posthouse.Fuzz.Targets;

/// <summary>A command line with what belongs to its verb: paths, parameters, greetings, BDAT, AUTH PLAIN.</summary>
public sealed partial class CommandTarget : IFuzzTarget
{
    public static string Name => "command";

    public static IReadOnlyList<string> Words { get; } =
    [
        "HELO ", "EHLO ", "LHLO ", "MAIL FROM:<", "RCPT TO:<", "DATA", "BDAT ", " LAST", "RSET", "NOOP", "QUIT", "VRFY ", "EXPN ", "HELP", "STARTTLS", "AUTH PLAIN ",
        ">", "<>", "@", ":", "\"", "\\", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:", "]", "::ffff:1.2.3.4", " SIZE=", " BODY=8BITMIME", " BODY=7BIT", " SMTPUTF8", " RET=FULL", " RET=HDRS",
        " ENVID=", " AUTH=<>", " NOTIFY=NEVER", " NOTIFY=SUCCESS,FAILURE,DELAY", " ORCPT=rfc822;", " ORCPT=utf-8;", "+2B", "+C2+85", "+E2+80+A8", "\u00c3\u00a9", "\u00f0\u0090\u008d\u0088",
        "\u00f0\u009f\u0098\u0080", "AGEAYg==", "a@b", "@a,@b:",
    ];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        string line = Encoding.Latin1.GetString(input);
        string word = line.Split(' ')[0];
        string argument = line[word.Length..].Trim(' ');
        SmtpVerb verb = Enum.GetValues<SmtpVerb>().FirstOrDefault(each => each != SmtpVerb.Unknown && each.ToString().Equals(word, StringComparison.OrdinalIgnoreCase));
        bool valid = !line.Any(c => c is < ' ' or '\x7f') && (argument.Length == 0 || verb is not (SmtpVerb.Data or SmtpVerb.Rset or SmtpVerb.Quit or SmtpVerb.StartTls));

        bool taken = SmtpCommand.TryParse(input, out SmtpCommand command, out SmtpReply? error);
        MismatchException.ThrowUnlessSame(valid, taken, "the line");
        MismatchException.ThrowUnlessSame(valid, error is null, "the error");
        if (!taken)
            return false;
        MismatchException.ThrowUnlessSame(verb, command.Verb, "the verb");
        MismatchException.ThrowUnlessSame(argument, Encoding.Latin1.GetString(command.Argument), "the argument");
        return verb switch
        {
            SmtpVerb.Mail => Mail(command.Argument),
            SmtpVerb.Rcpt => Rcpt(command.Argument),
            SmtpVerb.Bdat => Bdat(command.Argument),
            SmtpVerb.Auth => Auth(command.Argument),
            SmtpVerb.Ehlo or SmtpVerb.Helo or SmtpVerb.Lhlo => Greeting(command.Argument),
            _ => false,
        };
    }

    private static bool Mail(ReadOnlySpan<byte> argument)
    {
        MailCommand? expected = ExpectedMail(Addresses.Fold(argument), out Addresses.PathFound? path);
        bool taken = MailCommand.TryParse(argument, out MailCommand found, out SmtpReply? error);
        MismatchException.ThrowUnlessSame(expected is not null, taken, $"MAIL ({error})");
        if (!taken)
            return false;
        CheckMailbox(path!, found.Sender);
        MismatchException.ThrowUnlessSame(expected!.Value, found with { Sender = null }, "MAIL");
        return true;
    }

    private static MailCommand? ExpectedMail(string? text, out Addresses.PathFound? path)
    {
        if (ReadPathAndParameters(text, "FROM:", out path) is not { } parameters)
            return null;
        MailCommand command = default;
        foreach ((string keyword, string? value) in parameters)
        {
            switch (keyword)
            {
                case "SIZE" when value is not null && Size().IsMatch(value):
                    command = command with { Size = (long)BigInteger.Min(BigInteger.Parse(value, System.Globalization.CultureInfo.InvariantCulture), long.MaxValue) };
                    break;
                case "BODY" when value?.ToUpperInvariant() is "7BIT" or "8BITMIME":
                    command = command with { Body = value[0] == '7' ? BodyKind.SevenBit : BodyKind.EightBit };
                    break;
                case "SMTPUTF8" when value is null:
                    command = command with { SmtpUtf8 = true };
                    break;
                case "RET" when value?.ToUpperInvariant() is "FULL" or "HDRS":
                    command = command with { Return = value[0] is 'F' or 'f' ? DsnReturn.Full : DsnReturn.Headers };
                    break;
                case "ENVID" when value is { Length: <= 100 } && Encodings.DecodeXtext(value) is { } identifier:
                    command = command with { EnvelopeIdentifier = identifier };
                    break;
                case "AUTH" when value == "<>" || (value is { Length: <= 500 } && Encodings.DecodeXtext(value) is not null):
                    break;
                default:
                    return null;
            }
        }

        return path!.IsInternational && !command.SmtpUtf8 ? null : command;
    }

    private static bool Rcpt(ReadOnlySpan<byte> argument)
    {
        RcptCommand? expected = ExpectedRcpt(Addresses.Fold(argument), out Addresses.PathFound? path);
        bool taken = RcptCommand.TryParse(argument, out RcptCommand found, out SmtpReply? error);
        MismatchException.ThrowUnlessSame(expected is not null, taken, $"RCPT ({error})");
        if (!taken)
            return false;
        CheckMailbox(path!, found.Recipient);
        MismatchException.ThrowUnlessSame(expected!.Value, found with { Recipient = null! }, "RCPT");
        return true;
    }

    private static RcptCommand? ExpectedRcpt(string? text, out Addresses.PathFound? path)
    {
        if (ReadPathAndParameters(text, "TO:", out path) is not { } parameters || path!.Local.Length == 0)
            return null;
        RcptCommand command = default;
        foreach ((string keyword, string? value) in parameters)
        {
            switch (keyword)
            {
                case "NOTIFY" when value is not null && Notify().IsMatch(value):
                    string[] words = value.ToUpperInvariant().Split(',');
                    if (words.Distinct().Count() != words.Length)
                        return null;
                    foreach (string word in words)
                        command = command with { Notify = command.Notify | Enum.Parse<DsnNotify>(word, ignoreCase: true) };
                    break;
                case "ORCPT" when value is { Length: <= 500 } && Original().Match(value) is { Success: true } match && Encodings.DecodeXtext(match.Groups[2].Value) is { } address:
                    command = command with { OriginalRecipient = $"{match.Groups[1].Value};{address}" };
                    break;
                default:
                    return null;
            }
        }

        return command;
    }

    // Parameters in order, their keywords in upper case, none of them twice (but AUTH, which is dropped); null when the text is not made so.
    private static List<(string Keyword, string? Value)>? ReadPathAndParameters(string? text, string start, out Addresses.PathFound? path)
    {
        path = null;
        if (text?.StartsWith(start, StringComparison.OrdinalIgnoreCase) != true)
            return null;
        text = text[start.Length..].TrimStart(' ');
        path = Addresses.ReadPath(text);
        if (path is null)
            return null;
        text = text[path.Length..];
        if (text.Length != 0 && text[0] != ' ')
            return null;
        List<(string, string?)> parameters = [];
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            Match match = Parameter().Match(word);
            string keyword = match.Groups["keyword"].Value.ToUpperInvariant();
            if (!match.Success || (keyword != "AUTH" && parameters.Any(each => each.Item1 == keyword)))
                return null;
            parameters.Add((keyword, match.Groups["value"] is { Success: true } value ? value.Value : null));
        }

        return parameters;
    }

    private static void CheckMailbox(Addresses.PathFound path, Mailbox? found)
    {
        MismatchException.ThrowUnlessSame(path.Local.Length == 0, found is null, "the null path");
        if (found is null)
            return;
        MismatchException.ThrowUnlessSame(path.Local, Addresses.Fold(found.LocalPart), "the local part");
        MismatchException.ThrowUnlessSame(path.Domain, Addresses.Fold(found.Domain), "the domain");
        MismatchException.ThrowUnlessSame(path.IsInternational, found.IsInternational, "whether it is international");
        MismatchException.ThrowUnless(Mailbox.TryParse(found.ToString(), out Mailbox? again), $"{found} cannot be read again");
        MismatchException.ThrowUnlessSame(found, again, "read again");
    }

    private static bool Greeting(ReadOnlySpan<byte> argument)
    {
        bool taken = HostName.IsValidGreeting(argument);
        MismatchException.ThrowUnlessSame(Addresses.IsGreeting(Encoding.Latin1.GetString(argument)), taken, "the greeting");
        return taken;
    }

    private static bool Bdat(ReadOnlySpan<byte> argument)
    {
        Match match = Chunk().Match(Encoding.Latin1.GetString(argument));
        bool taken = BdatCommand.TryParse(argument, out BdatCommand found, out _);
        MismatchException.ThrowUnlessSame(match.Success, taken, "BDAT");
        if (taken)
            MismatchException.ThrowUnlessSame(new(long.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture), match.Groups[2].Success), found, "BDAT");
        return taken;
    }

    private static bool Auth(ReadOnlySpan<byte> argument)
    {
        string text = Encoding.Latin1.GetString(argument);
        if (!text.StartsWith("PLAIN ", StringComparison.Ordinal))
            return false;
        string? plain = text.Length - 6 <= SaslPlain.MaxResponse && Encodings.DecodeBase64(text[6..]) is { } bytes ? Encodings.DecodePrintable(bytes, except: "\0") : null;
        string[] parts = plain?.Split('\0') ?? [];
        bool valid = parts.Length == 3 && parts[1] != "" && parts[2] != "" && (parts[0] == "" || parts[0] == parts[1]);
        bool taken = SaslPlain.TryDecode(argument[6..], out string user, out string password);
        MismatchException.ThrowUnlessSame(valid, taken, "AUTH PLAIN");
        if (taken)
            MismatchException.ThrowUnlessSame((parts[1], parts[2]), (user, password), "AUTH PLAIN");
        return taken;
    }

    [GeneratedRegex(@"\A(?<keyword>[A-Za-z0-9][A-Za-z0-9\-]*)(?:=(?<value>.+))?\z", RegexOptions.Singleline)]
    private static partial Regex Parameter();

    [GeneratedRegex(@"\A[0-9]{1,20}\z")]
    private static partial Regex Size();

    [GeneratedRegex(@"\A(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Notify();

    [GeneratedRegex(@"\A([A-Za-z0-9\-]+);(.+)\z", RegexOptions.Singleline)]
    private static partial Regex Original();

    [GeneratedRegex(@"\A([0-9]{1,18})( +LAST)?\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Chunk();
}
