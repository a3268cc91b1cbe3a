using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>A field of a message's header, folded lines included; valid while its handler runs.</summary>
public readonly ref struct HeaderField
{
    private readonly int _colon;

    internal HeaderField(ReadOnlySpan<byte> raw, int colon)
    {
        Raw = raw;
        _colon = colon;
    }

    /// <summary>The field's bytes: lines apart by CRLF, without the last line's end.</summary>
    public ReadOnlySpan<byte> Raw { get; }

    /// <summary>The name as the message has it.</summary>
    public string Name => Encoding.ASCII.GetString(Raw[.._colon].TrimEnd(" \t"u8));

    /// <summary>The value unfolded and trimmed, read as UTF-8. Encoded words stay encoded.</summary>
    public string Value
    {
        get
        {
            string value = Encoding.UTF8.GetString(Raw[(_colon + 1)..].Trim(" \t\r\n"u8));
            return value.Contains('\n') ? value.Replace("\r\n", "", StringComparison.Ordinal) : value;
        }
    }
}
