using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Posthouse.Wire;

/// <summary>RCPT with its parameters NOTIFY and ORCPT (RFC 3461).</summary>
public readonly record struct RcptCommand
{
    /// <summary>The recipient. Without a domain the server's own is meant.</summary>
    public Mailbox Recipient { get; init; }

    /// <summary>The NOTIFY parameter.</summary>
    public DsnNotify Notify { get; init; }

    /// <summary>ORCPT as <c>type;address</c>, the address decoded; null when not given.</summary>
    public string? OriginalRecipient { get; init; }

    /// <summary>Whether one of the parameters of delivery status notifications was given.</summary>
    public bool HasDsn => Notify != DsnNotify.Unspecified || OriginalRecipient != null;

    /// <summary>
    /// Reads the argument of RCPT: <c>TO:&lt;path&gt;</c> and parameters. Spaces behind the colon are tolerated. An address beyond ASCII
    /// is read; the session knows whether MAIL said SMTPUTF8.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> argument, out RcptCommand command, [NotNullWhen(false)] out SmtpReply? error)
    {
        command = default;
        if (argument.Length < 3 || !Ascii.EqualsIgnoreCase(argument[..3], "TO:"u8))
        {
            error = CommandErrors.RcptSyntax;
            return false;
        }
        argument = argument[3..].TrimStart((byte)' ');
        if (!MailPath.TryParse(argument, out Mailbox? recipient, out int length) || recipient == null)
        {
            error = CommandErrors.RecipientSyntax;
            return false;
        }
        command = command with { Recipient = recipient };
        ParameterReader parameters = new(argument[length..]);
        bool malformed;
        while (parameters.Read(out malformed))
        {
            error = parameters.Is("NOTIFY"u8) ? TakeNotify(parameters.Value, ref command)
                : parameters.Is("ORCPT"u8) ? TakeOriginal(parameters.Value, ref command)
                : CommandErrors.ParameterUnknown;
            if (error != null)
                return false;
        }
        error = malformed ? CommandErrors.ParameterSyntax : null;
        return error == null;
    }

    private static SmtpReply? TakeNotify(ReadOnlySpan<byte> value, ref RcptCommand command)
    {
        if (command.Notify != DsnNotify.Unspecified)
            return CommandErrors.ParameterTwice;
        if (!TryParseNotify(value, out DsnNotify notify))
            return CommandErrors.ParameterSyntax;
        command = command with { Notify = notify };
        return null;
    }

    private static SmtpReply? TakeOriginal(ReadOnlySpan<byte> value, ref RcptCommand command)
    {
        if (command.OriginalRecipient != null)
            return CommandErrors.ParameterTwice;
        if (!TryParseOriginal(value, out string? original))
            return CommandErrors.ParameterSyntax;
        command = command with { OriginalRecipient = original };
        return null;
    }

    private static bool TryParseNotify(ReadOnlySpan<byte> value, out DsnNotify notify)
    {
        notify = DsnNotify.Unspecified;
        foreach (Range range in value.Split((byte)','))
        {
            ReadOnlySpan<byte> word = value[range];
            DsnNotify one = Ascii.EqualsIgnoreCase(word, "NEVER"u8) ? DsnNotify.Never
                : Ascii.EqualsIgnoreCase(word, "SUCCESS"u8) ? DsnNotify.Success
                : Ascii.EqualsIgnoreCase(word, "FAILURE"u8) ? DsnNotify.Failure
                : Ascii.EqualsIgnoreCase(word, "DELAY"u8) ? DsnNotify.Delay : DsnNotify.Unspecified;
            if (one == DsnNotify.Unspecified || (notify & one) != 0)
                return false;
            notify |= one;
        }
        return notify == DsnNotify.Never || (notify & DsnNotify.Never) == 0;
    }

    private static bool TryParseOriginal(ReadOnlySpan<byte> value, out string? original)
    {
        original = null;
        int semicolon = value.IndexOf((byte)';');
        // RFC 3461 section 4.2: 500 characters at most.
        if (value.Length > 500 || semicolon <= 0 || semicolon == value.Length - 1)
            return false;
        foreach (byte b in value[..semicolon])
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && b != '-')
                return false;
        }
        if (!Xtext.TryDecode(value[(semicolon + 1)..], out string? address))
            return false;
        original = $"{Encoding.ASCII.GetString(value[..semicolon])};{address}";
        return true;
    }
}
