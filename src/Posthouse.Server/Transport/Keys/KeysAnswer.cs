using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Transport.Keys;

/// <summary>How the keys process answers: a byte (0: done, 1: a problem), and a key's id or the problem's text. An empty answer is a bug's.</summary>
internal static class KeysAnswer
{
    private const int MaxProblem = 1000;

    internal static ChannelAnswer Done() => new(new byte[] { 0 });

    internal static ChannelAnswer Done(KeyId id)
    {
        byte[] payload = new byte[1 + KeyId.Size];
        id.Write(payload.AsSpan(1));
        return new ChannelAnswer(payload);
    }

    internal static ChannelAnswer Problem(string problem)
    {
        string text = problem.Length > MaxProblem ? problem[..MaxProblem] : problem;
        return new ChannelAnswer((byte[])[1, .. Encoding.UTF8.GetBytes(text)]);
    }

    /// <summary>The id that an answer bears, if it does; a fault when there is a problem, or no answer.</summary>
    internal static KeyId? Read(ChannelAnswer? answer, out Fault? fault)
    {
        fault = null;
        ReadOnlySpan<byte> payload = answer is null ? default : answer.Payload.Span;
        if (payload is [0]) return null;
        if (payload is [0, ..] && payload.Length == 1 + KeyId.Size) return KeyId.Read(payload[1..]);
        fault = payload is [1, .. var text]
            ? Fault.Permanent("TLS not available", Encoding.UTF8.GetString(text), 7)
            : Fault.Temporary("TLS not available", "the keys process does not answer", 7);
        return null;
    }
}
