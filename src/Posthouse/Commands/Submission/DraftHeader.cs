using System.Text;

namespace Posthouse.Commands.Submission;

/// <summary>The header of a message as a program gave it to sendmail: read leniently, so that text without a header is a message too.</summary>
public sealed class DraftHeader
{
    private readonly List<(string Name, string Text)> _fields = [];

    private DraftHeader()
    {
    }

    /// <summary>Bytes of the input before the body.</summary>
    public int Length { get; private set; }

    /// <summary>The addresses of To, Cc and Bcc.</summary>
    public IReadOnlyList<string> Recipients { get; private set; } = [];

    /// <summary>Reads the header at the start of <paramref name="text"/> (each byte a character), which ends at an empty line or at the first line that is no field.</summary>
    public static DraftHeader Parse(string text)
    {
        DraftHeader header = new();
        int position = 0;
        while (position < text.Length)
        {
            int end = text.IndexOf('\n', position);
            int next = end < 0 ? text.Length : end + 1;
            string line = text[position..(end < 0 ? text.Length : end)].TrimEnd('\r');
            if (line.Length == 0)
            {
                position = next;
                break;
            }
            if (line[0] is ' ' or '\t' && header._fields.Count > 0)
                header._fields[^1] = (header._fields[^1].Name, $"{header._fields[^1].Text}\r\n{line}");
            else if (NameOf(line) is { } name)
                header._fields.Add((name, line));
            else if (position > 0 || !line.StartsWith("From ", StringComparison.Ordinal))
                break;
            position = next;
        }
        header.Length = position;
        header.Recipients = [.. header._fields.Where(static field => field.Name is "to" or "cc" or "bcc").SelectMany(static field => AddressList.Parse(ValueOf(field.Text)))];
        return header;
    }

    /// <summary>Whether it has a field of that name (in lower case).</summary>
    public bool Has(string name) => _fields.Exists(field => field.Name == name);

    /// <summary>The value of the first field of that name, unfolded, or null.</summary>
    public string? Value(string name) => _fields.Find(field => field.Name == name) is { Text: { } text } ? ValueOf(text).Trim() : null;

    /// <summary>Leaves fields of that name out.</summary>
    public void Remove(string name) => _fields.RemoveAll(field => field.Name == name);

    /// <summary>Adds a field at the end; its value may hold folded lines.</summary>
    public void Add(string name, string value) => _fields.Add((name.ToLowerInvariant(), $"{name}: {value}"));

    /// <summary>The header as it is sent, with the empty line behind it.</summary>
    public byte[] ToBytes()
    {
        StringBuilder text = new();
        foreach ((string _, string field) in _fields)
            text.Append(field).Append("\r\n");
        return Encoding.Latin1.GetBytes(text.Append("\r\n").ToString());
    }

    private static string ValueOf(string field) => field[(field.IndexOf(':') + 1)..].Replace("\r\n", "", StringComparison.Ordinal);

    /// <summary>RFC 5322 2.2: printable characters but the colon; old software leaves space before it.</summary>
    private static string? NameOf(string line)
    {
        int colon = line.IndexOf(':');
        string name = colon > 0 ? line[..colon].TrimEnd(' ', '\t') : "";
        return name.Length > 0 && !name.AsSpan().ContainsAnyExceptInRange('!', '~') ? name.ToLowerInvariant() : null;
    }
}
