using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

/// <summary>One key of an <see cref="IKeySigner"/>.</summary>
internal sealed class DetachedSigner(KeyId key, IKeySigner signer) : IKeyHolder
{
    /// <inheritdoc/>
    public int Sign(KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature) => signer.Sign(key, operation, input, signature, out _);
}
