using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Posthouse.Server.Processes;

/// <summary>Builds the payload of a message between the server's processes: numbers little-endian, texts and blocks with their length (4 bytes) in front.</summary>
internal sealed class PayloadWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    /// <summary>What was written so far.</summary>
    internal ReadOnlyMemory<byte> Payload => _buffer.WrittenMemory;

    internal PayloadWriter Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
        return this;
    }

    internal PayloadWriter Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

    internal PayloadWriter Number(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
        return this;
    }

    internal PayloadWriter Long(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
        return this;
    }

    internal PayloadWriter Block(ReadOnlySpan<byte> block)
    {
        Number(block.Length);
        _buffer.Write(block);
        return this;
    }

    internal PayloadWriter Text(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        Number(length);
        Encoding.UTF8.GetBytes(text, _buffer.GetSpan(length));
        _buffer.Advance(length);
        return this;
    }

    /// <summary>A text that may be absent.</summary>
    internal PayloadWriter Optional(string? text)
    {
        Flag(text is not null);
        return text is null ? this : Text(text);
    }
}
