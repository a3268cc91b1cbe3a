using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Posthouse.Wire;

/// <summary>BDAT (RFC 3030 section 2): how many bytes follow, and whether they are the last.</summary>
public readonly record struct BdatCommand(long Length, bool IsLast)
{
    /// <summary>Reads <c>length</c> or <c>length LAST</c>.</summary>
    public static bool TryParse(ReadOnlySpan<byte> argument, out BdatCommand command, [NotNullWhen(false)] out SmtpReply? error)
    {
        command = default;
        error = null;
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> number = space < 0 ? argument : argument[..space];
        ReadOnlySpan<byte> last = space < 0 ? default : argument[space..].TrimStart((byte)' ');
        if (number.Length is 0 or > 18 || number.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0
            || !Utf8Parser.TryParse(number, out long length, out _)
            || (!last.IsEmpty && !Ascii.EqualsIgnoreCase(last, "LAST"u8)))
        {
            error = CommandErrors.BdatSyntax;
            return false;
        }
        command = new(length, !last.IsEmpty);
        return true;
    }
}
