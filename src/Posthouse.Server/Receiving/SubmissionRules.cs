using System.Buffers;

namespace Posthouse.Server.Receiving;

/// <summary>What is completed in the header of a message that is submitted here.</summary>
/// <param name="Domain">What bare addresses and a new Message-ID get.</param>
/// <param name="Masquerade">The address that From must show; null leaves it.</param>
/// <param name="Now">The date for a message without one.</param>
internal sealed record SubmissionRules(string Domain, string? Masquerade, DateTimeOffset Now)
{
    internal void Rewrite(ReadOnlySpan<byte> header, IBufferWriter<byte> output) =>
        SubmissionHeader.Rewrite(header, Domain, Masquerade, Now, output);
}
