using System.Buffers.Binary;

namespace Posthouse.Server.Queueing.Log;

/// <summary>The payload of a <see cref="RecordKind.BigMessage"/>: which file of <c>bodies/</c>, how long, and its checksum.</summary>
internal readonly record struct BodyReference(long Number, long Length, uint Crc)
{
    public const int Size = 20;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteInt64LittleEndian(to, Number);
        BinaryPrimitives.WriteInt64LittleEndian(to[8..], Length);
        BinaryPrimitives.WriteUInt32LittleEndian(to[16..], Crc);
    }

    public static bool TryRead(ReadOnlySpan<byte> from, out BodyReference reference)
    {
        reference = default;
        if (from.Length != Size)
            return false;
        reference = new(BinaryPrimitives.ReadInt64LittleEndian(from), BinaryPrimitives.ReadInt64LittleEndian(from[8..]), BinaryPrimitives.ReadUInt32LittleEndian(from[16..]));
        return reference is { Number: > 0, Length: >= 0 };
    }
}
