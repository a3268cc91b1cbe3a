using System.Buffers.Binary;
using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What stands in the frames of a delivery worker. Nothing is believed before it has been checked, whoever sent it.</summary>
internal static class WorkerPayload
{
    private const byte Maildir = 1;
    private const byte Mbox = 2;
    private const byte SystemMbox = 3;
    private const byte MadeMbox = 4;
    private const int PlaceHead = 6;
    private const int MaxText = 8192;

    internal static byte[] Of(FileTarget target) => (target switch
    {
        FileTarget.Maildir maildir => new PayloadWriter().Byte(Maildir).Text(maildir.Path).Optional(maildir.Extension).Flag(maildir.Junk),
        FileTarget.Mbox mbox => new PayloadWriter().Byte(mbox.IsMade ? MadeMbox : mbox.System ? SystemMbox : Mbox).Text(mbox.Path),
        _ => throw new ArgumentException("unknown kind of target", nameof(target)),
    }).Payload.ToArray();

    /// <summary>Reads a target; null if malformed.</summary>
    internal static FileTarget? ReadTarget(ReadOnlySpan<byte> payload)
    {
        PayloadReader reader = new(payload);
        byte kind = reader.Byte();
        string path = reader.Text(DeliveryOrder.MaxText);
        FileTarget? target = kind switch
        {
            Maildir => new FileTarget.Maildir(path, reader.Optional(DeliveryOrder.MaxText), reader.Flag()),
            Mbox or SystemMbox or MadeMbox => new FileTarget.Mbox(path, kind != Mbox, kind == MadeMbox),
            _ => null,
        };
        return reader.IsWhole && path.StartsWith('/') ? target : null;
    }

    /// <summary>Length of <see cref="PlaceOf"/>.</summary>
    internal static int PlaceLength(string sender) => PlaceHead + Encoding.UTF8.GetByteCount(sender);

    /// <summary>Writes where a message belongs: the target's number (4 bytes), the sender with its length (2 bytes) in front.</summary>
    internal static void PlaceOf(Span<byte> to, int target, string sender)
    {
        BinaryPrimitives.WriteInt32LittleEndian(to, target);
        BinaryPrimitives.WriteUInt16LittleEndian(to[4..], (ushort)Encoding.UTF8.GetBytes(sender, to[PlaceHead..]));
    }

    /// <summary>Reads where a message belongs from the beginning of <paramref name="payload"/>, and its length there; false if malformed or if the sender holds a control character.</summary>
    internal static bool TryReadPlace(ReadOnlySpan<byte> payload, out int target, out string sender, out int length)
    {
        (target, sender, length) = (0, "", 0);
        if (payload.Length < PlaceHead) return false;
        target = BinaryPrimitives.ReadInt32LittleEndian(payload);
        length = PlaceHead + BinaryPrimitives.ReadUInt16LittleEndian(payload[4..]);
        if (length > PlaceHead + DeliveryOrder.MaxText || payload.Length < length) return false;
        if (length == PlaceHead) return true;
        ReadOnlySpan<byte> text = payload[PlaceHead..length];
        if (text.ContainsAnyInRange((byte)0, (byte)31) || text.Contains((byte)127)) return false;
        sender = Encoding.UTF8.GetString(text);
        return true;
    }

    internal static byte[] Of(DeliveryResult result)
    {
        string text = result.Text.Length > MaxText / 4 ? result.Text[..(MaxText / 4)] : result.Text;
        if (text.Any(char.IsControl)) text = new([.. text.Select(static c => char.IsControl(c) ? ' ' : c)]);
        return new PayloadWriter().Byte((byte)result.Outcome).Number(result.Status.Subject).Number(result.Status.Detail).Text(text).Payload.ToArray();
    }

    /// <summary>Reads a result; null if malformed.</summary>
    internal static DeliveryResult? ReadResult(ReadOnlySpan<byte> payload)
    {
        if (payload.SequenceEqual(s_deliveredPayload)) return s_delivered;
        PayloadReader reader = new(payload);
        DeliveryOutcome outcome = (DeliveryOutcome)reader.Byte();
        ushort subject = (ushort)reader.Count(999), detail = (ushort)reader.Count(999);
        string text = reader.Text(MaxText);
        if (!reader.IsWhole) return null;
        return outcome switch
        {
            DeliveryOutcome.Delivered => DeliveryResult.Delivered(text),
            DeliveryOutcome.Temporary => DeliveryResult.Temporary(text, subject, detail),
            DeliveryOutcome.Permanent => DeliveryResult.Permanent(text, subject, detail),
            _ => null,
        };
    }

    // What comes all the time is not made anew.
    private static readonly DeliveryResult s_delivered = DeliveryResult.Delivered();
    private static readonly byte[] s_deliveredPayload = Of(s_delivered);
}
