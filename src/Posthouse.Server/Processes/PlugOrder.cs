using System.Security.Cryptography;
using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>
/// How the engine names a plug to be started: by the name that the configuration gives it, by a fingerprint of its definition, since another configuration may give the name to
/// another, and by which of its copies. What it runs the parent knows.
/// </summary>
internal sealed record PlugOrder(string Name, ReadOnlyMemory<byte> Fingerprint, int Instance)
{
    /// <summary>Longest name in bytes.</summary>
    internal const int MaxName = 4096;

    /// <summary>Most copies of a plug.</summary>
    internal const int MaxInstances = 64;

    /// <summary>The fingerprint of what a plug runs and as whom; how many copies there are, and how it is talked with, is no part of it.</summary>
    internal static byte[] FingerprintOf(PlugCommand command) =>
        SHA256.HashData(new PayloadWriter().Text(command.Command).Optional(command.User).Optional(command.Group).Optional(command.Chroot).Payload.Span);

    /// <summary>The order as a payload.</summary>
    internal ReadOnlyMemory<byte> ToBytes() => new PayloadWriter().Text(Name).Block(Fingerprint.Span).Number(Instance).Payload;

    /// <summary>Reads an order; null when it is malformed.</summary>
    internal static PlugOrder? Parse(ReadOnlySpan<byte> payload)
    {
        PayloadReader reader = new(payload);
        PlugOrder order = new(reader.Lines(MaxName), reader.Block(SHA256.HashSizeInBytes).ToArray(), reader.Count(MaxInstances - 1));
        return reader.IsWhole && order.Fingerprint.Length == SHA256.HashSizeInBytes ? order : null;
    }
}
