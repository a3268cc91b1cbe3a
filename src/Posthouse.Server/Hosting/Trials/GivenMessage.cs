using System.Buffers;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>Puts the message together again that a filter is given in lines or chunks; one that is given again after a restart begins anew.</summary>
internal sealed class GivenMessage
{
    private ArrayBufferWriter<byte> _content = new();
    private byte[] _token = [];

    /// <summary>The last message that was given as a whole; null: none.</summary>
    internal ReadOnlyMemory<byte>? Last { get; private set; }

    /// <summary>Takes the parameters of a <c>data-line</c>, behind the token.</summary>
    internal void TakeLine(ReadOnlySpan<byte> token, ReadOnlySpan<byte> line)
    {
        Begin(token);
        if (line is [(byte)'.', .. var stuffed])
        {
            if (stuffed.IsEmpty)
            {
                End();
                return;
            }
            line = stuffed;
        }
        _content.Write(line);
        _content.Write("\r\n"u8);
    }

    /// <summary>Takes the announcement of a chunk.</summary>
    internal void TakeChunk(ReadOnlySpan<byte> token, bool isLast)
    {
        Begin(token);
        if (isLast) End();
    }

    /// <summary>Takes bytes of the chunk that was announced.</summary>
    internal void Take(ReadOnlySpan<byte> bytes) => _content.Write(bytes);

    private void Begin(ReadOnlySpan<byte> token)
    {
        if (token.SequenceEqual(_token)) return;
        _token = token.ToArray();
        _content.ResetWrittenCount();
    }

    private void End()
    {
        Last = _content.WrittenMemory;
        _content = new();
        _token = [];
    }
}
