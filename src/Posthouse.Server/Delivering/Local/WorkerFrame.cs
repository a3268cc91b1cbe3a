using System.Buffers.Binary;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The unit of the conversations with a delivery worker: kind (1 byte), number (4 bytes), length of the payload (4 bytes),
/// payload. Numbers are little-endian. The parent names targets to the worker (<see cref="Target"/>, <see cref="ForgetAll"/>)
/// on one socket; the engine sends messages for these on another, and gets the results there. Numbers of the engine's frames are of deliveries.
/// </summary>
internal static class WorkerFrame
{
    /// <summary>From the parent: what the target of this number is.</summary>
    internal const byte Target = (byte)'T';

    /// <summary>From the parent: the target of this number is none any more.</summary>
    internal const byte Forget = (byte)'F';

    /// <summary>From the parent: there are no targets any more.</summary>
    internal const byte ForgetAll = (byte)'G';

    /// <summary>A whole message: target and sender (<see cref="WorkerPayload.PlaceOf"/>), then the message.</summary>
    internal const byte Whole = (byte)'W';

    /// <summary>A large message begins: target and sender. <see cref="Opened"/> or a result answers.</summary>
    internal const byte Begin = (byte)'B';

    /// <summary>The next part of a large message.</summary>
    internal const byte Data = (byte)'D';

    /// <summary>A large message ends.</summary>
    internal const byte End = (byte)'E';

    /// <summary>A large message is given up.</summary>
    internal const byte Abort = (byte)'A';

    /// <summary>From the worker: how a delivery ended.</summary>
    internal const byte Result = (byte)'R';

    /// <summary>From the worker: a large message can go on.</summary>
    internal const byte Opened = (byte)'O';

    /// <summary>From the worker: there is no such target (any more); nothing was stored.</summary>
    internal const byte Unknown = (byte)'U';

    /// <summary>Length of what stands before the payload.</summary>
    internal const int HeaderLength = 9;

    /// <summary>Longest payload in bytes; a longer one is a broken conversation.</summary>
    internal const int MaxPayload = 2 * MessageText.HeadBound + 16 * 1024;

    /// <summary>Longest payload that a worker sends.</summary>
    internal const int MaxResult = 16 * 1024;

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
