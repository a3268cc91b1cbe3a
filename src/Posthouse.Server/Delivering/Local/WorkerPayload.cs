using System.Buffers.Binary;
using System.Text;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Targets and results as the payloads of worker frames: a byte for each choice, strings with their length in front.</summary>
internal static class WorkerPayload
{
    private const byte Maildir = 1;
    private const byte Mbox = 2;

    internal static byte[] Of(FileTarget target) => target switch
    {
        FileTarget.Maildir maildir => [Maildir, Flag(maildir.Junk), .. Text(maildir.Path), .. Text(maildir.Extension ?? "")],
        FileTarget.Mbox mbox => [Mbox, Flag(mbox.System), .. Text(mbox.Path), .. Text(mbox.Sender)],
        _ => throw new ArgumentException("unknown kind of target", nameof(target)),
    };

    /// <summary>Reads a target from the beginning of <paramref name="payload"/> and moves that behind it; null if malformed.</summary>
    internal static FileTarget? ReadTarget(ref ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 2) return null;
        byte kind = payload[0];
        bool flag = payload[1] != 0;
        payload = payload[2..];
        if (!TryReadText(ref payload, out string path) || !TryReadText(ref payload, out string other) || !path.StartsWith('/')) return null;
        return kind switch
        {
            Maildir => new FileTarget.Maildir(path, other.Length > 0 ? other : null, flag),
            Mbox => new FileTarget.Mbox(path, other, flag),
            _ => null,
        };
    }

    internal static byte[] Of(DeliveryResult result)
    {
        byte[] status = new byte[4];
        BinaryPrimitives.WriteUInt16LittleEndian(status, (ushort)result.Status.Subject);
        BinaryPrimitives.WriteUInt16LittleEndian(status.AsSpan(2), (ushort)result.Status.Detail);
        return [(byte)result.Outcome, .. status, .. Text(result.Text)];
    }

    /// <summary>Reads a result; null if malformed.</summary>
    internal static DeliveryResult? ReadResult(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 5) return null;
        DeliveryOutcome outcome = (DeliveryOutcome)payload[0];
        ushort subject = BinaryPrimitives.ReadUInt16LittleEndian(payload[1..]), detail = BinaryPrimitives.ReadUInt16LittleEndian(payload[3..]);
        payload = payload[5..];
        if (!TryReadText(ref payload, out string text)) return null;
        return outcome switch
        {
            DeliveryOutcome.Delivered => DeliveryResult.Delivered(text),
            DeliveryOutcome.Temporary => DeliveryResult.Temporary(text, subject, detail),
            DeliveryOutcome.Permanent => DeliveryResult.Permanent(text, subject, detail),
            _ => null,
        };
    }

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;

    private static byte[] Text(string text)
    {
        byte[] bytes = new byte[2 + Math.Min(Encoding.UTF8.GetByteCount(text), ushort.MaxValue)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)(bytes.Length - 2));
        Encoding.UTF8.TryGetBytes(text, bytes.AsSpan(2), out _);
        return bytes;
    }

    private static bool TryReadText(ref ReadOnlySpan<byte> payload, out string text)
    {
        text = "";
        if (payload.Length < 2) return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(payload);
        if (payload.Length - 2 < length) return false;
        text = Encoding.UTF8.GetString(payload.Slice(2, length));
        payload = payload[(2 + length)..];
        return true;
    }
}
