using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Posthouse.Wire;

/// <summary>MAIL with its parameters: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461), AUTH (RFC 4954, checked and dropped).</summary>
public readonly record struct MailCommand
{
    /// <summary>The sender; null is the null reverse path. Without a domain the server's own is meant.</summary>
    public Mailbox? Sender { get; init; }

    /// <summary>The size that the client announced, in bytes; 0 when it did not.</summary>
    public long Size { get; init; }

    /// <summary>The BODY parameter.</summary>
    public BodyKind Body { get; init; }

    /// <summary>Whether SMTPUTF8 was given.</summary>
    public bool SmtpUtf8 { get; init; }

    /// <summary>The RET parameter.</summary>
    public DsnReturn Return { get; init; }

    /// <summary>ENVID, decoded, at most 100 octets in its encoded form; null when not given.</summary>
    public string? EnvelopeIdentifier { get; init; }

    /// <summary>Whether one of the parameters of delivery status notifications was given.</summary>
    public bool HasDsn => Return != DsnReturn.Unspecified || EnvelopeIdentifier != null;

    /// <summary>Reads the argument of MAIL: <c>FROM:&lt;path&gt;</c> and parameters. Spaces behind the colon are tolerated.</summary>
    public static bool TryParse(ReadOnlySpan<byte> argument, out MailCommand command, [NotNullWhen(false)] out SmtpReply? error)
    {
        command = default;
        if (argument.Length < 5 || !Ascii.EqualsIgnoreCase(argument[..5], "FROM:"u8))
        {
            error = CommandErrors.MailSyntax;
            return false;
        }
        argument = argument[5..].TrimStart((byte)' ');
        if (!MailPath.TryParse(argument, out Mailbox? sender, out int length))
        {
            error = CommandErrors.SenderSyntax;
            return false;
        }
        command = command with { Sender = sender };
        ParameterReader parameters = new(argument[length..]);
        bool malformed, hasSize = false;
        while (parameters.Read(out malformed))
        {
            error = Take(parameters, ref command, ref hasSize);
            if (error != null)
                return false;
        }
        error = malformed ? CommandErrors.ParameterSyntax
            : sender is { IsInternational: true } && !command.SmtpUtf8 ? CommandErrors.SenderNeedsUtf8
            : null;
        return error == null;
    }

    private static SmtpReply? Take(in ParameterReader parameter, ref MailCommand command, ref bool hasSize)
    {
        ReadOnlySpan<byte> value = parameter.Value;
        bool twice = false, valid;
        if (parameter.Is("SIZE"u8))
        {
            // SIZE=0 says something as well.
            twice = hasSize;
            hasSize = true;
            valid = TryParseSize(value, out long size);
            command = command with { Size = size };
        }
        else if (parameter.Is("BODY"u8))
        {
            twice = command.Body != BodyKind.Unspecified;
            BodyKind body = Ascii.EqualsIgnoreCase(value, "7BIT"u8) ? BodyKind.SevenBit
                : Ascii.EqualsIgnoreCase(value, "8BITMIME"u8) ? BodyKind.EightBit : BodyKind.Unspecified;
            valid = body != BodyKind.Unspecified;
            command = command with { Body = body };
        }
        else if (parameter.Is("SMTPUTF8"u8))
        {
            twice = command.SmtpUtf8;
            valid = !parameter.HasValue;
            command = command with { SmtpUtf8 = true };
        }
        else if (parameter.Is("RET"u8))
        {
            twice = command.Return != DsnReturn.Unspecified;
            DsnReturn what = Ascii.EqualsIgnoreCase(value, "FULL"u8) ? DsnReturn.Full
                : Ascii.EqualsIgnoreCase(value, "HDRS"u8) ? DsnReturn.Headers : DsnReturn.Unspecified;
            valid = what != DsnReturn.Unspecified;
            command = command with { Return = what };
        }
        else if (parameter.Is("ENVID"u8))
        {
            twice = command.EnvelopeIdentifier != null;
            string? identifier = null;
            valid = value.Length is > 0 and <= 100 && Xtext.TryDecode(value, out identifier);
            command = command with { EnvelopeIdentifier = identifier };
        }
        else if (parameter.Is("AUTH"u8))
        {
            // RFC 4954 section 5: whom the sender trusts is of no use to us, but it has to be well-formed.
            valid = value.Length is > 0 and <= 500 && (value.SequenceEqual("<>"u8) || Xtext.TryDecode(value, out _));
        }
        else
            return CommandErrors.ParameterUnknown;
        return twice ? CommandErrors.ParameterTwice : valid ? null : CommandErrors.ParameterSyntax;
    }

    // RFC 1870 allows 20 digits, more than fit; such a size is larger than any limit.
    private static bool TryParseSize(ReadOnlySpan<byte> value, out long size)
    {
        size = 0;
        if (value.Length is 0 or > 20 || value.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
            return false;
        if (!Utf8Parser.TryParse(value, out size, out int used) || used != value.Length)
            size = long.MaxValue;
        return true;
    }
}
