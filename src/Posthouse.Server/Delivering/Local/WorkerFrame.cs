using System.Buffers.Binary;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The unit of the conversation between the server and a delivery worker: kind (1 byte), number of the delivery
/// (4 bytes), length of the payload (4 bytes), payload. Numbers are little-endian.
/// </summary>
internal static class WorkerFrame
{
    /// <summary>A whole message: a target, then the message.</summary>
    internal const byte Whole = (byte)'W';

    /// <summary>A large message begins: a target.</summary>
    internal const byte Begin = (byte)'B';

    /// <summary>The next part of a large message.</summary>
    internal const byte Data = (byte)'D';

    /// <summary>A large message ends.</summary>
    internal const byte End = (byte)'E';

    /// <summary>A large message is given up.</summary>
    internal const byte Abort = (byte)'A';

    /// <summary>How a delivery ended; the only frame that a worker sends.</summary>
    internal const byte Result = (byte)'R';

    /// <summary>Length of what stands before the payload.</summary>
    internal const int HeaderLength = 9;

    /// <summary>Longest payload in bytes; a longer one is a broken conversation.</summary>
    internal const int MaxPayload = 2 * MessageText.HeadBound + 16 * 1024;

    internal static void WriteHeader(Span<byte> header, byte kind, uint number, int length)
    {
        header[0] = kind;
        BinaryPrimitives.WriteUInt32LittleEndian(header[1..], number);
        BinaryPrimitives.WriteInt32LittleEndian(header[5..], length);
    }

    /// <summary>Reads a header; false when the length is out of bounds.</summary>
    internal static bool TryReadHeader(ReadOnlySpan<byte> header, out byte kind, out uint number, out int length)
    {
        kind = header[0];
        number = BinaryPrimitives.ReadUInt32LittleEndian(header[1..]);
        length = BinaryPrimitives.ReadInt32LittleEndian(header[5..]);
        return length is >= 0 and <= MaxPayload;
    }
}
