using System.Buffers.Binary;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Fuzz.Oracles;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Fuzz.Targets;

/// <summary>
/// The recovery of a log store whose only segment has these bytes behind its header. With the lowest bit of the first byte the checksums are made right
/// first, so that what they cover is reached too; with the next one the bytes are the whole file, header and all.
/// </summary>
public sealed class LogStoreTarget : IFuzzTarget
{
    private const ulong Mark = 0x1122334455667788;
    private const byte Repair = 1;
    private const byte Raw = 2;

    public static string Name => "log-store";

    public static IReadOnlyList<string> Words { get; } =
        ["\u0088\u0077\u0066\u0055\u0044\u0033\u0022\u0011", "\u0077\u0088\u0099\u00aa\u00bb\u00cc\u00dd\u00ee", "posthlog", "{}", "\u0001\0\0\0", "\u0002\0\0\0", "\u0003\0\0\0", "\u0004\0\0\0", "\u0005\0\0\0", "\u00ff\u00ff\u00ff\u007f", "\0\0\0\u0080"];

    public static IEnumerable<byte[]> Seeds
    {
        get
        {
            byte[] open = Segment(close: false)[SegmentHeader.Room..], closed = Segment(close: true);
            return [[Repair, .. open], [0, .. open], [0, .. closed[SegmentHeader.Room..]], [Raw, .. closed], [Raw], [0]];
        }
    }

    public static bool Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
            return false;
        byte[] rest = input[1..].ToArray();
        if ((input[0] & Repair) != 0)
            MakeSumsRight(rest);
        bool raw = (input[0] & Raw) != 0;
        byte[] file = raw ? rest : [.. new SegmentHeader(1, Mark, []).ToBytes(), .. rest];
        var files = new MemoryFiles { [LogNames.Segment(1)] = file };
        Dictionary<ulong, string> found;
        try
        {
            found = Recover(files);
        }
        catch (IOException e) when (raw && e.Message.Contains("format", StringComparison.Ordinal))
        {
            return false;
        }

        if (!raw && SegmentFooter.TryRead(new LogSegment(1, Mark, new MemoryFiles { ["x"] = file }.Open("x")), file.Length) is null)
            Judge(new SlowLog(file, Mark, SegmentHeader.Room), found);
        Dictionary<ulong, string> again = Recover(files);
        MismatchException.ThrowUnlessSame(Show(found), Show(again), "the envelopes after another start");
        return found.Count != 0;
    }

    // The envelopes found and what they say. Damaged ones cannot be read, as a footer that was sealed over damage may list them.
    private static Dictionary<ulong, string> Recover(MemoryFiles files)
    {
        var state = new LogState();
        new LogRecovery(files, state, NullLogger.Instance).Run();
        var places = new List<(ulong Id, LogPlace Place)>();
        state.Index.Collect(0, int.MaxValue, places);
        var found = new Dictionary<ulong, string>();
        foreach ((ulong id, LogPlace place) in places)
        {
            byte[] record = new byte[RecordHeader.Size + place.Length];
            int length = state.Segments[place.Segment].File.Read(record, place.Offset);
            bool intact = RecordHeader.TryReadIntact(record.AsSpan(0, length), out RecordHeader header) && header.Id == id;
            found.Add(id, intact ? Encoding.Latin1.GetString(record, RecordHeader.Size, place.Length) : "(damaged)");
        }

        return found;
    }

    private static void Judge(SlowLog log, Dictionary<ulong, string> found)
    {
        foreach ((ulong id, string json) in found)
        {
            MismatchException.ThrowUnless(
                log.Credible.Any(record => record.Kind is RecordKind.Envelope or RecordKind.Update && record.Id == id && Encoding.Latin1.GetString(log.PayloadOf(record)) == json),
                $"envelope {id:x16} was made up");
            MismatchException.ThrowUnless(
                log.Credible.Any(record => record.Kind is RecordKind.Message or RecordKind.BigMessage && record.Id >> 32 == id >> 32), $"the message of {id:x16} was made up");
        }

        HashSet<ulong> deleted = [.. log.Credible.Where(record => record.Kind == RecordKind.Delete).Select(record => record.Id)];
        HashSet<ulong> messages = [.. log.Certain.Where(record => record.Kind is RecordKind.Message or RecordKind.BigMessage).Select(record => record.Id >> 32)];
        foreach (SlowLog.Record record in log.Certain)
        {
            if (record.Kind is RecordKind.Envelope or RecordKind.Update && record.Id != 0 && !deleted.Contains(record.Id) && messages.Contains(record.Id >> 32))
                MismatchException.ThrowUnless(found.ContainsKey(record.Id), $"envelope {record.Id:x16} was lost");
        }
    }

    private static string Show(Dictionary<ulong, string> envelopes) => string.Join('\n', envelopes.OrderBy(each => each.Key).Select(each => $"{each.Key:x16} {each.Value}"));

    // Takes the lengths as they are.
    private static void MakeSumsRight(byte[] rest)
    {
        for (int at = 0; at + BatchHeader.Size <= rest.Length;)
        {
            Span<byte> batch = rest.AsSpan(at);
            int length = BinaryPrimitives.ReadInt32LittleEndian(batch[16..]);
            if (length <= 0 || length > batch.Length - BatchHeader.Size)
                return;
            Span<byte> records = batch.Slice(BatchHeader.Size, length);
            uint digest = 0;
            int count = 0, end = 0;
            for (; end + RecordHeader.Size <= length; count++)
            {
                Span<byte> record = records[end..];
                int payload = BinaryPrimitives.ReadInt32LittleEndian(record);
                if (payload < 0 || payload > record.Length - RecordHeader.Size)
                    break;
                BinaryPrimitives.WriteUInt32LittleEndian(record[16..], Encodings.Crc(0, record.Slice(RecordHeader.Size, payload)));
                BinaryPrimitives.WriteUInt32LittleEndian(record[20..], Encodings.Crc(0, record[..20]));
                digest = Encodings.Crc(digest, record.Slice(20, 4));
                end += RecordHeader.Size + payload;
            }

            BinaryPrimitives.WriteUInt64LittleEndian(batch, Mark);
            BinaryPrimitives.WriteInt32LittleEndian(batch[20..], count);
            BinaryPrimitives.WriteUInt32LittleEndian(batch[32..], digest);
            BinaryPrimitives.WriteUInt32LittleEndian(batch[36..], Encodings.Crc(0, batch[..36]));
            at += BatchHeader.Size + length;
        }
    }

    // Two messages, of which the second has two recipients, one put off and one done; and a message in a file of its own.
    private static byte[] Segment(bool close)
    {
        const ulong First = 0x0000000A_00000001, Second = 0x0000000B_00000001, Third = 0x0000000B_00000002, Big = 0x0000000C_00000001;
        byte[] big = new byte[BodyReference.Size];
        new BodyReference(1, 300_000, 0).Write(big);
        (RecordKind Kind, ulong Id, byte[] Payload)[][] batches =
        [
            [(RecordKind.Message, RecordHeader.IdOf(0xA), "one"u8.ToArray()), (RecordKind.Envelope, First, "{\"a\":1}"u8.ToArray())],
            [(RecordKind.Message, RecordHeader.IdOf(0xB), "two"u8.ToArray()), (RecordKind.Envelope, Second, "{}"u8.ToArray()), (RecordKind.Envelope, Third, "{}"u8.ToArray())],
            [(RecordKind.Update, Second, "{\"tries\":1}"u8.ToArray()), (RecordKind.Delete, Third, [])],
            [(RecordKind.BigMessage, RecordHeader.IdOf(0xC), big), (RecordKind.Envelope, Big, "{}"u8.ToArray())],
        ];
        var files = new MemoryFiles();
        ILogFile file = files.Create(LogNames.Segment(1));
        file.Write([new SegmentHeader(1, Mark, []).ToBytes()], 0);
        for (int i = 0; i < batches.Length; i++)
        {
            byte[] batch = new byte[BatchHeader.Size + batches[i].Sum(record => RecordHeader.Size + record.Payload.Length)];
            int at = BatchHeader.Size;
            uint digest = 0;
            foreach ((RecordKind kind, ulong id, byte[] payload) in batches[i])
            {
                int length = RecordHeader.WriteRecord(batch.AsSpan(at), kind, id, payload);
                digest = Crc32C.Extend(digest, RecordHeader.CrcOf(batch.AsSpan(at)));
                at += length;
            }

            new BatchHeader(Mark, (ulong)i, at - BatchHeader.Size, batches[i].Length, file.Length, digest).Write(batch);
            file.Write([batch], file.Length);
        }

        // Recovery closes what it has read.
        if (close)
            new LogRecovery(files, new LogState(), NullLogger.Instance).Run();
        return files[LogNames.Segment(1)];
    }
}
