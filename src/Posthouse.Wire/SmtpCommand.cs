using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Posthouse.Wire;

/// <summary>One command line, told apart into verb and argument without copying a byte.</summary>
public readonly ref struct SmtpCommand
{
    private static readonly SearchValues<byte> s_controls = SearchValues.Create(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127);

    private SmtpCommand(SmtpVerb verb, ReadOnlySpan<byte> argument)
    {
        Verb = verb;
        Argument = argument;
    }

    /// <summary>The command; <see cref="SmtpVerb.Unknown"/> for any other word.</summary>
    public SmtpVerb Verb { get; }

    /// <summary>What follows the verb, without the spaces around it.</summary>
    public ReadOnlySpan<byte> Argument { get; }

    /// <summary>
    /// Reads a line without its CRLF. An unknown verb is a success; a control byte anywhere, a bare CR or LF among them, is not (RFC 5321 section 4.1.1),
    /// and neither is an argument where none is allowed.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out SmtpCommand command, [NotNullWhen(false)] out SmtpReply? error)
    {
        command = default;
        error = null;
        if (line.ContainsAny(s_controls))
        {
            error = CommandErrors.ControlByte;
            return false;
        }
        int space = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = space < 0 ? line : line[..space];
        ReadOnlySpan<byte> argument = space < 0 ? default : line[space..].Trim((byte)' ');
        SmtpVerb verb = Recognise(word);
        if (!argument.IsEmpty && verb is (SmtpVerb.Data or SmtpVerb.Rset or SmtpVerb.Quit or SmtpVerb.StartTls))
        {
            error = CommandErrors.NoArgumentAllowed;
            return false;
        }
        command = new(verb, argument);
        return true;
    }

    // Four letters are compared as one number, with the bit set that makes them lower case.
    private static SmtpVerb Recognise(ReadOnlySpan<byte> word)
    {
        if (word.Length == 8)
            return Ascii.EqualsIgnoreCase(word, "STARTTLS"u8) ? SmtpVerb.StartTls : SmtpVerb.Unknown;
        if (word.Length != 4)
            return SmtpVerb.Unknown;
        foreach (byte b in word)
        {
            if (!char.IsAsciiLetter((char)b))
                return SmtpVerb.Unknown;
        }
        return (BinaryPrimitives.ReadUInt32BigEndian(word) | 0x20202020) switch
        {
            0x68656c6f => SmtpVerb.Helo,
            0x65686c6f => SmtpVerb.Ehlo,
            0x6c686c6f => SmtpVerb.Lhlo,
            0x6d61696c => SmtpVerb.Mail,
            0x72637074 => SmtpVerb.Rcpt,
            0x64617461 => SmtpVerb.Data,
            0x62646174 => SmtpVerb.Bdat,
            0x72736574 => SmtpVerb.Rset,
            0x6e6f6f70 => SmtpVerb.Noop,
            0x71756974 => SmtpVerb.Quit,
            0x76726679 => SmtpVerb.Vrfy,
            0x6578706e => SmtpVerb.Expn,
            0x68656c70 => SmtpVerb.Help,
            0x61757468 => SmtpVerb.Auth,
            _ => SmtpVerb.Unknown,
        };
    }
}
