using System.Text;

namespace Posthouse.DkimSign;

/// <summary>The header fields of a message as they stand in it, and what of the body was read with them.</summary>
internal sealed class HeaderBlock
{
    private const int MaxLength = 1024 * 1024;
    private readonly List<(string Name, ReadOnlyMemory<byte> Value)> _fields = [];

    /// <summary>The begin of the body.</summary>
    public ReadOnlyMemory<byte> Rest { get; private set; }

    /// <exception cref="InvalidDataException">The header is longer than 1 MiB.</exception>
    public static HeaderBlock Read(Stream message)
    {
        byte[] bytes = new byte[16384];
        int count = 0, end;
        while ((end = EndOf(bytes.AsSpan(0, count))) < 0)
        {
            if (count == bytes.Length)
            {
                if (count >= MaxLength) throw new InvalidDataException("the header is longer than 1 MiB");
                Array.Resize(ref bytes, count * 2);
            }

            int read = message.Read(bytes, count, bytes.Length - count);
            if (read == 0) break;
            count += read;
        }

        HeaderBlock block = new();
        block.Split(bytes.AsMemory(0, end < 0 ? count : end));
        if (end >= 0) block.Rest = bytes.AsMemory(0, count)[(end + 2)..];
        return block;
    }

    /// <summary>The values of all fields of a name, from the last to the first, as they are signed.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Values(string name) =>
        _fields.Where(field => string.Equals(field.Name, name, StringComparison.OrdinalIgnoreCase)).Select(static field => field.Value).Reverse();

    /// <summary>Appends a field in relaxed canonical form (RFC 6376 section 3.4.2), without line end.</summary>
    public static void Canonicalize(string name, ReadOnlySpan<byte> value, Stream output)
    {
        output.Write(Encoding.ASCII.GetBytes(name.ToLowerInvariant() + ":"));
        bool hasContent = false, hasSpace = false;
        for (int i = 0; i < value.Length; i++)
        {
            if (value[i] == '\r' && i + 1 < value.Length && value[i + 1] == '\n')
            {
                i++;
                continue;
            }

            if (value[i] is (byte)' ' or (byte)'\t')
            {
                hasSpace = true;
                continue;
            }

            if (hasSpace && hasContent) output.WriteByte((byte)' ');
            output.WriteByte(value[i]);
            hasContent = true;
            hasSpace = false;
        }
    }

    // Where the empty line begins.
    private static int EndOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("\r\n"u8)) return 0;
        int at = bytes.IndexOf("\r\n\r\n"u8);
        return at < 0 ? -1 : at + 2;
    }

    private void Split(ReadOnlyMemory<byte> header)
    {
        while (!header.IsEmpty)
        {
            int end = 0;
            do
            {
                int line = header.Span[end..].IndexOf("\r\n"u8);
                end = line < 0 ? header.Length : end + line + 2;
            }
            while (end < header.Length && header.Span[end] is (byte)' ' or (byte)'\t');
            ReadOnlyMemory<byte> field = header[..end];
            header = header[end..];
            if (field.Span.EndsWith("\r\n"u8)) field = field[..^2];
            int colon = field.Span.IndexOf((byte)':');
            if (colon > 0) _fields.Add((Encoding.Latin1.GetString(field.Span[..colon]).TrimEnd(' ', '\t'), field[(colon + 1)..]));
        }
    }
}
