using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

/// <summary>Signs by the keys it has, or knows somebody who does. May block the calling thread for two seconds.</summary>
internal interface IKeySigner
{
    /// <summary>Writes a signature; its length, or 0 when there is none, and then <paramref name="problem"/> says why.</summary>
    int Sign(KeyId key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature, out string? problem);
}
