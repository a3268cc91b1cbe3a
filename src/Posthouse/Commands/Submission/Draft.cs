using System.Text;

namespace Posthouse.Commands.Submission;

/// <summary>
/// A message on its way from a program's output to the server. It is kept in a file that nobody else sees, since what
/// must be done to it is known only at its end.
/// </summary>
public sealed class Draft : IDisposable
{
    /// <summary>RFC 5322 2.1.1 allows 998; OpenSMTPD encodes from here on.</summary>
    private const int LongestLine = 990;
    private const int LongestHeader = 1024 * 1024;

    private readonly FileStream _file;

    private Draft(FileStream file, DraftHeader header)
    {
        _file = file;
        Header = header;
    }

    /// <summary>The header, which may be changed before sending.</summary>
    public DraftHeader Header { get; }

    /// <summary>Whether the body has bytes beyond ASCII.</summary>
    public bool IsEightBit { get; private set; }

    /// <summary>Whether SMTP cannot carry the body as it is.</summary>
    public bool NeedsEncoding { get; private set; }

    /// <summary>The size of what was read, in bytes.</summary>
    public long Size => _file.Length;

    /// <summary>Reads a message to its end, or, when <paramref name="dotEnds"/>, to a line with only a dot.</summary>
    public static Draft Read(Stream input, bool dotEnds)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        FileStream file = new(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.DeleteOnClose,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        // Gone from the directory at once, whatever becomes of this process.
        File.Delete(path);
        if (dotEnds)
            CopyToDot(input, file);
        else
            input.CopyTo(file);

        byte[] start = new byte[Math.Min(file.Length, LongestHeader)];
        file.Position = 0;
        file.ReadExactly(start);
        Draft draft = new(file, DraftHeader.Parse(Encoding.Latin1.GetString(start)));
        draft.InspectBody();
        return draft;
    }

    /// <summary>
    /// Encodes the body if it must be and may be: one that says it is encoded already, or has parts, is left as it is, and the server judges it.
    /// </summary>
    public void EncodeIfNeeded()
    {
        bool isPlain = (Header.Value("content-type") ?? "text/plain").StartsWith("text/", StringComparison.OrdinalIgnoreCase);
        string encoding = (Header.Value("content-transfer-encoding") ?? "7bit").ToLowerInvariant();
        if (!NeedsEncoding || !isPlain || encoding is not ("7bit" or "8bit"))
        {
            NeedsEncoding = false;
            return;
        }
        Header.Remove("content-transfer-encoding");
        if (!Header.Has("mime-version"))
            Header.Add("MIME-Version", "1.0");
        if (!Header.Has("content-type"))
            Header.Add("Content-Type", IsEightBit ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii");
        Header.Add("Content-Transfer-Encoding", "quoted-printable");
        IsEightBit = false;
    }

    /// <summary>Writes the message with CRLF line ends and dots stuffed (RFC 5321 4.5.2), without the final dot.</summary>
    public void SendTo(Stream output)
    {
        output.Write(Header.ToBytes());
        _file.Position = Header.Length;
        byte[] buffer = new byte[64 * 1024];
        QuotedPrintable encoder = new(output);
        LineStuffer stuffer = new(output);
        for (int count; (count = _file.Read(buffer)) > 0;)
        {
            if (NeedsEncoding)
                encoder.Write(buffer.AsSpan(0, count));
            else
                stuffer.Write(buffer.AsSpan(0, count));
        }
        if (NeedsEncoding)
            encoder.Finish();
        else
            stuffer.Finish();
    }

    /// <summary>Writes the message as it is sent, but without dots stuffed and, unless it was encoded, with the line ends of the body as they came: to be read and sent later.</summary>
    public void SaveTo(Stream output)
    {
        output.Write(Header.ToBytes());
        _file.Position = Header.Length;
        if (!NeedsEncoding)
        {
            _file.CopyTo(output);
            return;
        }
        byte[] buffer = new byte[64 * 1024];
        QuotedPrintable encoder = new(output);
        for (int count; (count = _file.Read(buffer)) > 0;) encoder.Write(buffer.AsSpan(0, count));
        encoder.Finish();
    }

    /// <summary>Writes the message as it came.</summary>
    public void CopyTo(Stream output)
    {
        _file.Position = 0;
        _file.CopyTo(output);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void InspectBody()
    {
        _file.Position = Header.Length;
        byte[] buffer = new byte[64 * 1024];
        long line = 0;
        bool afterReturn = false;
        for (int count; (count = _file.Read(buffer)) > 0;)
        {
            foreach (byte value in buffer.AsSpan(0, count))
            {
                IsEightBit |= value > 0x7f;
                NeedsEncoding |= value == 0 || (afterReturn && value != '\n');
                afterReturn = value == '\r';
                line = value == '\n' ? 0 : line + 1;
                NeedsEncoding |= line >= LongestLine;
            }
        }
        NeedsEncoding |= afterReturn;
    }

    private static void CopyToDot(Stream input, Stream output)
    {
        using StreamReader reader = new(input, Encoding.Latin1, leaveOpen: true);
        while (reader.ReadLine() is { } line && line != ".")
            output.Write(Encoding.Latin1.GetBytes(line + "\n"));
    }
}
