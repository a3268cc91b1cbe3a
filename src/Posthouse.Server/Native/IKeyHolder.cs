namespace Posthouse.Server.Native;

/// <summary>Does the private operations of one key that OpenSSL knows the public half of. Called on whatever thread is in a handshake; may block it.</summary>
internal interface IKeyHolder
{
    /// <summary>Writes the signature; its length, or 0 or less when there is none.</summary>
    int Sign(KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature);
}
