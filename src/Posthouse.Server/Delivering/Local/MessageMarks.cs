using System.Text;
using Posthouse.Plugs;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What a local delivery wants to know of a message's header.</summary>
/// <param name="IsLoop">It has been delivered to this recipient before.</param>
/// <param name="IsJunk">A filter marked it as spam.</param>
internal readonly record struct MessageMarks(bool IsLoop, bool IsJunk)
{
    /// <summary>Looks through the header at the beginning of a message.</summary>
    internal static MessageMarks Of(ReadOnlySpan<byte> message, Envelope envelope) => Of(message, envelope.Destination, envelope.Recipient);

    private static MessageMarks Of(ReadOnlySpan<byte> message, string destination, string recipient)
    {
        bool loop = false, junk = false;
        while (!message.IsEmpty)
        {
            int end = message.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? message : message[..end];
            if (line is [.., (byte)'\r']) line = line[..^1];
            if (line.IsEmpty) break;
            message = end < 0 ? default : message[(end + 1)..];
            switch ((char)(line[0] | 0x20))
            {
                case 'd' when TryField(line, "delivered-to:"u8, out ReadOnlySpan<byte> value):
                    loop |= IsAddress(value, destination) || IsAddress(value, recipient);
                    break;
                case 'x' when TryField(line, "x-spam:"u8, out ReadOnlySpan<byte> value) || TryField(line, "x-spam-flag:"u8, out value):
                    junk |= Ascii.EqualsIgnoreCase(value, "yes"u8);
                    break;
            }
        }
        return new(loop, junk);
    }

    /// <summary>Whether the header at the beginning of <paramref name="message"/> has the mark of spam.</summary>
    internal static bool IsMarkedAsJunk(ReadOnlySpan<byte> message) => Of(message, "", "").IsJunk;

    private static bool TryField(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (line.Length < name.Length || !Ascii.EqualsIgnoreCase(line[..name.Length], name)) return false;
        value = line[name.Length..].Trim(" \t"u8);
        return true;
    }

    private static bool IsAddress(ReadOnlySpan<byte> value, string address) =>
        address.Length > 0 && (address.Length == value.Length
            ? Ascii.EqualsIgnoreCase(value, address)
            : value.Length > address.Length && string.Equals(Encoding.UTF8.GetString(value), address, StringComparison.OrdinalIgnoreCase));
}
