using System.Buffers;
using System.Text;

namespace Posthouse.Server.Tables;

/// <summary>
/// A table's text file, parsed. Lines are trimmed; blank ones and those beginning with <c>#</c> are comments. The first
/// line of data decides: without a space, tab or colon in it the file is a list, each line one entry; otherwise a mapping,
/// whose keys end at the first of these, or at the <c>]</c> when they begin with <c>[</c>. The comment <c># @list</c> before
/// any data makes it a list whatever its lines hold. A file without data is an empty mapping. One malformed line spoils
/// the whole file: half an access list is worse than the old one.
/// </summary>
public sealed class TableFile
{
    /// <summary>Largest file accepted, in bytes; beyond it a database is the right tool.</summary>
    public const int MaxSize = 256 << 20;

    private static readonly SearchValues<char> s_separators = SearchValues.Create(" \t:");
    private static readonly UTF8Encoding s_utf8 = new(false, true);

    private readonly string _path;
    private readonly List<TableEntry> _entries = [];
    private readonly List<TableFileError> _errors = [];
    private TableKind? _kind;
    private bool? _isEmpty;

    private TableFile(string path) => _path = path;

    /// <summary><see cref="TableKind.List"/> or <see cref="TableKind.Mapping"/>.</summary>
    public TableKind Kind => _kind ?? TableKind.Mapping;

    /// <summary>The entries in file order, duplicates included; empty when there are errors.</summary>
    public IReadOnlyList<TableEntry> Entries => _errors.Count == 0 ? _entries : [];

    /// <summary>Whether the file has no data, and so may still become anything.</summary>
    public bool IsEmpty => _isEmpty ?? Entries.Count == 0;

    /// <summary>Everything wrong with the file, in order; empty when it is good. At most 100 are kept.</summary>
    public IReadOnlyList<TableFileError> Errors => _errors;

    /// <summary>Reads and parses a file; one that cannot be read is an error like any other. A <paramref name="kind"/> given is not found out.</summary>
    public static TableFile Read(string path, TableKind? kind = null)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return Read(stream, path, kind);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Unreadable(path, error.Message);
        }
    }

    /// <summary>Reads and parses an open file, which stays open. Throws what the stream throws.</summary>
    public static TableFile Read(Stream stream, string path, TableKind? kind = null)
    {
        using MemoryStream content = new();
        byte[] block = ArrayPool<byte>.Shared.Rent(64 << 10);
        try
        {
            for (int count; (count = stream.Read(block)) > 0;)
            {
                if (content.Length + count > MaxSize)
                    return Unreadable(path, $"larger than {MaxSize >> 20} MiB");
                content.Write(block, 0, count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }

        return Parse(content.GetBuffer().AsSpan(0, (int)content.Length), path, kind);
    }

    /// <summary>A file of which only this much is known, and that nothing is wrong with it.</summary>
    public static TableFile Known(string path, TableKind kind, bool isEmpty) => new(path) { _kind = kind, _isEmpty = isEmpty };

    /// <summary>Parses a file's content; <paramref name="path"/> is for the errors.</summary>
    public static TableFile Parse(ReadOnlySpan<byte> content, string path, TableKind? kind = null)
    {
        TableFile file = new(path) { _kind = kind };
        int number = 0;
        foreach (Range range in content.Split((byte)'\n'))
        {
            number++;
            file.AddLine(content[range], number);
        }

        return file;
    }

    private static TableFile Unreadable(string path, string why)
    {
        TableFile file = new(path);
        file._errors.Add(new(path, 0, 0, "", $"cannot be read: {why}"));
        return file;
    }

    private void AddLine(ReadOnlySpan<byte> line, int number)
    {
        int indent = line.Length - line.TrimStart(" \t\r\v\f"u8).Length;
        line = line.Trim(" \t\r\v\f"u8);
        if (line.IsEmpty)
            return;
        if (line[0] == '#')
        {
            if (line[1..].Trim(" \t"u8).SequenceEqual("@list"u8))
                _kind ??= TableKind.List;
            return;
        }

        // A control byte in a value could end a line of a protocol or a reply further on.
        int control = line.IndexOfAnyInRange((byte)0, (byte)8);
        if (control < 0)
            control = line.IndexOfAnyInRange((byte)10, (byte)31);
        if (control < 0)
            control = line.IndexOf((byte)127);
        if (control >= 0)
        {
            Fail(number, indent + control + 1, $"\\x{line[control]:x2}", "text without control bytes");
            return;
        }

        string text;
        try
        {
            text = s_utf8.GetString(line);
        }
        catch (DecoderFallbackException error)
        {
            Fail(number, indent + error.Index + 1, $"\\x{line[error.Index]:x2}", "UTF-8");
            return;
        }

        int end = KeyEnd(text);
        _kind ??= end == text.Length ? TableKind.List : TableKind.Mapping;
        if (_kind == TableKind.List)
        {
            Add(new(text, null, number));
            return;
        }

        string value = text[end..].TrimStart(' ', '\t');
        if (value.StartsWith(':'))
            value = value[1..].TrimStart(' ', '\t');
        if (end == 0)
            Fail(number, indent + 1, text, "a key before the separator");
        else if (value.Length == 0)
            Fail(number, indent + end + 1, text, "a value after the key");
        else
            Add(new(text[..end], value, number));
    }

    private static int KeyEnd(string text)
    {
        int from = 0;
        if (text[0] == '[')
        {
            int bracket = text.IndexOf(']', StringComparison.Ordinal);
            if (bracket > 0)
                from = bracket + 1;
        }

        int separator = text.AsSpan(from).IndexOfAny(s_separators);
        return separator < 0 ? text.Length : from + separator;
    }

    private void Add(TableEntry entry)
    {
        if (_errors.Count == 0)
            _entries.Add(entry);
    }

    private void Fail(int line, int column, string text, string expected)
    {
        if (_errors.Count < 100)
            _errors.Add(new(_path, line, column, text, expected));
    }
}
