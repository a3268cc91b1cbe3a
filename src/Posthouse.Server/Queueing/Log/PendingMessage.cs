using System.Buffers;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// A message that is not committed yet. Its records are assembled and checksummed here, on the thread of the session
/// that brings it, in the buffer that the writer will write from. Content that gets too long moves to a file of its own.
/// </summary>
internal sealed class PendingMessage(MessageId id, bool exists)
{
    private const int FirstSize = 8192;
    private const int FileBuffer = (256 << 10) - RecordHeader.Size;

    private byte[] _buffer = [];
    private int _length = RecordHeader.Size;
    private long _contentLength;
    private uint _crc;
    private readonly List<StoredEnvelope> _envelopes = [];

    /// <summary>It has been committed before, and only envelopes are added.</summary>
    public bool Exists => exists;

    /// <summary>A commit has begun: it cannot be rolled back.</summary>
    public bool IsCommitting { get; set; }

    public string? Failure { get; private set; }

    public long BodyNumber { get; private set; }

    public ILogFile? BodyFile { get; private set; }

    public int EnvelopeCount => _envelopes.Count;

    /// <summary>Bytes of memory it takes.</summary>
    public int Held => _buffer.Length;

    public void Add(EnvelopeId envelope, ReadOnlyMemory<byte> json) => _envelopes.Add(new(envelope, json));

    /// <summary>Takes over the next bytes of content.</summary>
    /// <param name="chunk">The bytes.</param>
    /// <param name="largestInline">Content longer than this goes to a file.</param>
    /// <param name="bodies">Where that file is made.</param>
    public void Append(ReadOnlySpan<byte> chunk, int largestInline, LogBodies bodies)
    {
        if (Failure != null || exists) return;
        _crc = Crc32C.Extend(_crc, chunk);
        try
        {
            if (BodyFile == null && _contentLength + chunk.Length > largestInline)
            {
                (BodyNumber, BodyFile) = bodies.Create();
                Flush();
            }

            while (BodyFile != null && _length - RecordHeader.Size + chunk.Length > FileBuffer)
            {
                int part = FileBuffer - (_length - RecordHeader.Size);
                Put(chunk[..part]);
                chunk = chunk[part..];
                Flush();
            }

            Put(chunk);
        }
        catch (IOException e)
        {
            Failure = e.Message;
        }
    }

    /// <summary>Writes the rest of the content to its file and syncs it. Blocks.</summary>
    public void FinishBody(LogBodies bodies)
    {
        try
        {
            Flush();
            bodies.Finish(BodyFile!, _contentLength, _crc);
        }
        catch (IOException e)
        {
            Failure = e.Message;
        }
    }

    /// <summary>The records, ready to be written; the buffer belongs to the unit from now on.</summary>
    public LogUnit ToUnit()
    {
        ulong message = RecordHeader.IdOf(id.Value);
        int records = _envelopes.Count;
        if (exists)
            _length = 0;
        else if (BodyFile != null)
            _length = RecordHeader.Size + BodyReference.Size;
        int size = _length;
        foreach (StoredEnvelope envelope in _envelopes)
            size = checked(size + RecordHeader.Size + envelope.Json.Length);
        if (exists)
            _buffer = new byte[size];
        else
            Reserve(size);

        if (!exists)
        {
            records++;
            if (BodyFile != null)
            {
                new BodyReference(BodyNumber, _contentLength, _crc).Write(_buffer.AsSpan(RecordHeader.Size));
                uint crc = Crc32C.Of(_buffer.AsSpan(RecordHeader.Size, BodyReference.Size));
                new RecordHeader(RecordKind.BigMessage, message, BodyReference.Size, crc).Write(_buffer);
            }
            else
            {
                new RecordHeader(RecordKind.Message, message, (int)_contentLength, _crc).Write(_buffer);
            }
        }

        foreach (StoredEnvelope envelope in _envelopes)
            _length += RecordHeader.WriteRecord(_buffer.AsSpan(_length), RecordKind.Envelope, envelope.Id.Value, envelope.Json.Span);
        var unit = new LogUnit(exists ? LogUnitKind.Extend : LogUnitKind.Commit, message, _buffer, _length, records);
        _buffer = [];
        return unit;
    }

    /// <summary>Gives back memory and, unless the file is kept, the body.</summary>
    public void Discard(LogBodies bodies)
    {
        if (_buffer.Length > 0 && !exists) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        if (BodyFile == null) return;
        BodyFile.Dispose();
        bodies.Remove(BodyNumber);
        BodyFile = null;
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        Reserve(_length + bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
        _contentLength += bytes.Length;
    }

    private void Flush()
    {
        int waiting = _length - RecordHeader.Size;
        if (waiting == 0) return;
        BodyFile!.Write([_buffer.AsMemory(RecordHeader.Size, waiting)], _contentLength - waiting);
        _length = RecordHeader.Size;
    }

    private void Reserve(int size)
    {
        if (size <= _buffer.Length) return;
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(size, Math.Max(FirstSize, _buffer.Length)));
        _buffer.AsSpan(0, Math.Min(_length, _buffer.Length)).CopyTo(larger);
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }
}
