using System.Buffers;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// A message on its way out of the queue into a local delivery: Return-Path and Delivered-To in front, line ends turned
/// from CRLF into LF (but on the way to an LMTP server). What fits is held as one block, so that a delivery writes it with one call; the rest of a large
/// message is converted as it is read.
/// </summary>
internal sealed class MessageText : IMessageContent, IAsyncDisposable
{
    /// <summary>The largest block held, in bytes.</summary>
    internal const int HeadBound = 256 * 1024;

    private readonly Stream _stream;
    private readonly byte[] _buffer;
    private readonly int _start;
    private readonly int _length;
    private LineEnds _ends;

    private MessageText(Stream stream, byte[] buffer, int start, int length, bool whole, LineEnds ends)
    {
        _stream = stream;
        _buffer = buffer;
        _start = start;
        _length = length;
        _ends = ends;
        IsWhole = whole;
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Head => _buffer.AsMemory(0, _length);

    /// <inheritdoc/>
    public bool IsWhole { get; }

    /// <summary>The part of <see cref="Head"/> that came with the message.</summary>
    internal ReadOnlySpan<byte> Original => _buffer.AsSpan(_start, _length - _start);

    /// <summary>The lines that delivery puts in front of a message. The null sender gets no Return-Path, as in OpenSMTPD.</summary>
    internal static string Prefix(Envelope envelope)
    {
        string recipient = envelope.Recipient.Length > 0 ? envelope.Recipient : envelope.Destination;
        return envelope.Sender.Length > 0
            ? $"Return-Path: <{Clean(envelope.Sender)}>\nDelivered-To: {Clean(recipient)}\n"
            : $"Delivered-To: {Clean(recipient)}\n";
    }

    /// <summary>The line that a message gets on its way to another server of this site: who delivers finally adds Return-Path (RFC 5321 4.4).</summary>
    internal static string WirePrefix(Envelope envelope) =>
        $"Delivered-To: {Clean(envelope.Recipient.Length > 0 ? envelope.Recipient : envelope.Destination)}\r\n";

    /// <summary>Opens an envelope's message. The text is null when the queue cannot; an <see cref="IOException"/> may also come while reading.</summary>
    /// <param name="queue">Where the message is.</param>
    /// <param name="envelope">The envelope.</param>
    /// <param name="wire">Whether it goes over the wire: line ends stay CRLF.</param>
    /// <param name="cancellation">Stops waiting for the queue.</param>
    internal static async ValueTask<(QueueResult Result, MessageText? Text)> OpenAsync(MailQueue queue, Envelope envelope, bool wire, CancellationToken cancellation)
    {
        OpenedMessage opened = await queue.OpenMessageAsync(envelope.Id.Message, cancellation);
        if (opened.Content is null) return (opened.Result, null);
        return (opened.Result, await ReadAsync(opened.Content, wire ? WirePrefix(envelope) : Prefix(envelope), envelope.Size, new LineEnds { Keeps = wire }, cancellation));
    }

    /// <summary>Reads the beginning of <paramref name="stream"/>, which it owns from now on.</summary>
    internal static async ValueTask<MessageText> ReadAsync(Stream stream, string prefix, long size, LineEnds ends, CancellationToken cancellation)
    {
        int start = Encoding.UTF8.GetByteCount(prefix);
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(HeadBound, Math.Max(size, 0) + start + 64));
        try
        {
            Encoding.UTF8.GetBytes(prefix, buffer);
            int length = start, raw;
            while (true)
            {
                if (length + LineEnds.Spare >= buffer.Length && buffer.Length < HeadBound)
                {
                    byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Min(HeadBound, buffer.Length * 2));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                if (length + LineEnds.Spare >= buffer.Length) return new(stream, buffer, start, length, whole: false, ends);
                raw = await stream.ReadAsync(buffer.AsMemory(length + LineEnds.Spare), cancellation);
                if (raw == 0) break;
                length += ends.Convert(buffer.AsSpan(length, raw + LineEnds.Spare));
            }
            length += ends.Finish(buffer.AsSpan(length));
            return new(stream, buffer, start, length, whole: true, ends);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        if (IsWhole) return 0;
        while (true)
        {
            int raw = await _stream.ReadAsync(buffer[LineEnds.Spare..], cancellation);
            int length = raw == 0 ? _ends.Finish(buffer.Span) : _ends.Convert(buffer.Span[..(raw + LineEnds.Spare)]);
            if (length > 0 || raw == 0) return length;
        }
    }

    /// <summary>Gives the memory back and closes the message.</summary>
    public ValueTask DisposeAsync()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        return _stream.DisposeAsync();
    }

    // Addresses were checked where they entered; a header line must stay one line even if that failed.
    private static string Clean(string address)
    {
        foreach (char c in address)
            if (char.IsControl(c)) return new string([.. address.Select(static c => char.IsControl(c) ? '?' : c)]);
        return address;
    }
}
