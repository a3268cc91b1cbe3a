using System.Buffers;
using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>Where the lines of a message go on. Used only inside the handler that it was given to.</summary>
public sealed class LineOutput
{
    private const int FoldAt = 78;
    private readonly ArrayBufferWriter<byte> _field = new();

    internal LineOutput()
    {
    }

    internal MessageFlow? Flow { get; set; }

    /// <summary>Writes one line, without line end and dot-stuffing; a line end within makes it two.</summary>
    public void Write(ReadOnlySpan<byte> line)
    {
        MessageFlow flow = Flow ?? throw new InvalidOperationException("lines are written while their handler runs");
        while (line.IndexOf((byte)'\n') is int end and >= 0)
        {
            flow.Emit(end > 0 && line[end - 1] == '\r' ? line[..(end - 1)] : line[..end]);
            line = line[(end + 1)..];
        }

        flow.Emit(line);
    }

    /// <summary>Writes one line as UTF-8.</summary>
    public void Write(string line) => Write(Encoding.UTF8.GetBytes(line));

    /// <summary>Writes a header field, as UTF-8 and folded at spaces where a line would grow longer than 78 columns. Line ends in the value become spaces.</summary>
    /// <exception cref="ArgumentException">The name is empty or has other than printable ASCII characters without colon.</exception>
    public void WriteField(string name, string value)
    {
        if (name.Length == 0 || name.AsSpan().ContainsAnyExceptInRange('!', '~') || name.Contains(':'))
            throw new ArgumentException($"\"{name}\" is no name of a header field", nameof(name));
        byte[] field = Encoding.UTF8.GetBytes($"{name}: {value}");
        foreach (ref byte b in field.AsSpan())
            if (b is (byte)'\r' or (byte)'\n' or 0) b = (byte)' ';
        ReadOnlySpan<byte> rest = field;
        _field.ResetWrittenCount();
        while (rest.Length > FoldAt)
        {
            // A fold stands before a space, never right behind the name, and never makes a line of spaces only.
            int from = _field.WrittenCount == 0 ? name.Length + 2 : 1;
            int space = rest[..FoldAt].LastIndexOf((byte)' ');
            if (space <= from) space = rest[FoldAt..].IndexOf((byte)' ') is int next and >= 0 ? FoldAt + next : -1;
            if (space < 0 || rest[space..].TrimStart((byte)' ').IsEmpty) break;
            Write(rest[..space]);
            _field.Write(" "u8);
            rest = rest[space..];
        }

        Write(rest);
    }
}
