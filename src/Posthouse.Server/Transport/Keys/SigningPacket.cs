using System.Buffers.Binary;
using System.Text;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

// A request: number (8 bytes), operation (1), key id (32), input (1 to 1024). An answer: the number, a status (0: done, 1:
// refused), and the signature, or why not. One request at a time on a socket; the number tells an answer from one that came too late.

/// <summary>The packets between those who need signatures and the process that has the keys.</summary>
internal static class SigningPacket
{
    internal const int RequestHeader = 9 + KeyId.Size;
    internal const int MaxRequest = RequestHeader + SignatureInput.MaxSize;
    internal const int AnswerHeader = 9;
    internal const int MaxAnswer = AnswerHeader + SignatureInput.MaxSize;

    internal static int WriteRequest(Span<byte> packet, ulong number, KeyId key, KeyOperation operation, ReadOnlySpan<byte> input)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(packet, number);
        packet[8] = (byte)operation;
        key.Write(packet[9..]);
        input.CopyTo(packet[RequestHeader..]);
        return RequestHeader + input.Length;
    }

    /// <summary>Answers a request; 0 when it is none.</summary>
    internal static int Answer(ReadOnlySpan<byte> request, IKeySigner signer, Span<byte> answer)
    {
        if (request.Length is <= RequestHeader or > MaxRequest) return 0;
        request[..8].CopyTo(answer);
        int length = signer.Sign(KeyId.Read(request[9..]), (KeyOperation)request[8], request[RequestHeader..], answer[AnswerHeader..MaxAnswer], out string? problem);
        answer[8] = length > 0 ? (byte)0 : (byte)1;
        if (length == 0) Encoding.UTF8.TryGetBytes(problem, answer[AnswerHeader..MaxAnswer], out length);
        return AnswerHeader + length;
    }

    internal static ulong NumberOf(ReadOnlySpan<byte> answer) => BinaryPrimitives.ReadUInt64LittleEndian(answer);

    /// <summary>Takes the signature out of an answer; its length, or 0 with the reason.</summary>
    internal static int ReadAnswer(ReadOnlySpan<byte> answer, Span<byte> signature, out string? problem)
    {
        ReadOnlySpan<byte> content = answer[AnswerHeader..];
        if (answer[8] == 0 && !content.IsEmpty && content.Length <= signature.Length)
        {
            content.CopyTo(signature);
            problem = null;
            return content.Length;
        }
        problem = answer[8] == 0 ? "an answer of the wrong length" : $"refused: {Encoding.UTF8.GetString(content)}";
        return 0;
    }
}
