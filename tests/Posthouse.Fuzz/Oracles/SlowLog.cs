using System.Buffers.Binary;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Fuzz.Oracles;

/// <summary>
/// Says of a segment's bytes which records may be believed at most (intact ones in anything that has the header of a batch) and which must be found
/// at least (those of intact batches from the beginning on). Reads the format without the server's code, and checks sums bit by bit.
/// </summary>
internal sealed class SlowLog
{
    private const int BatchHeader = 40;
    private const int RecordHeader = 24;

    private readonly byte[] _file;
    private readonly ulong _mark;

    public SlowLog(byte[] file, ulong mark, int start)
    {
        _file = file;
        _mark = mark;
        for (int at = start; at + BatchHeader <= file.Length; at++)
        {
            if (IsBatch(at))
                Credible.AddRange(RecordsOf(at, out _));
        }

        for (int at = start; at + BatchHeader <= file.Length && IsBatch(at);)
        {
            List<Record> records = RecordsOf(at, out int end);
            uint digest = 0;
            foreach (Record record in records)
                digest = Encodings.Crc(digest, file.AsSpan(record.Offset + 20, 4));
            bool whole = end == at + BatchHeader + Int(at + 16) && records.Count == Int(at + 20) && digest == (uint)Int(at + 32);
            if (!whole)
                break;
            Certain.AddRange(records);
            at = end;
        }
    }

    internal readonly record struct Record(RecordKind Kind, ulong Id, int Offset, int Length);

    /// <summary>Records that recovery may use.</summary>
    public List<Record> Credible { get; } = [];

    /// <summary>Records that it must use.</summary>
    public List<Record> Certain { get; } = [];

    public byte[] PayloadOf(Record record) => _file[(record.Offset + RecordHeader)..(record.Offset + RecordHeader + record.Length)];

    private bool IsBatch(int at) =>
        BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(at)) == _mark && (uint)Int(at + 36) == Encodings.Crc(0, _file.AsSpan(at, 36))
        && Int(at + 16) > 0 && Int(at + 20) > 0 && (long)at + BatchHeader + Int(at + 16) <= _file.Length;

    private List<Record> RecordsOf(int batch, out int at)
    {
        List<Record> records = [];
        int end = batch + BatchHeader + Int(batch + 16);
        at = batch + BatchHeader;
        while (at + RecordHeader <= end)
        {
            int length = Int(at), kind = Int(at + 4);
            if ((uint)Int(at + 20) != Encodings.Crc(0, _file.AsSpan(at, 20)) || kind is < 1 or > 5 || length < 0 || length > end - at - RecordHeader)
                break;
            if ((uint)Int(at + 16) == Encodings.Crc(0, _file.AsSpan(at + RecordHeader, length)))
                records.Add(new((RecordKind)kind, BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(at + 8)), at, length));
            at += RecordHeader + length;
        }

        return records;
    }

    private int Int(int at) => BinaryPrimitives.ReadInt32LittleEndian(_file.AsSpan(at));
}
