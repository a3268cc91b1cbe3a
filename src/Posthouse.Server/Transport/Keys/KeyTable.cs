using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

/// <summary>The private keys of this process by their ids. All members may be called from any thread.</summary>
internal sealed class KeyTable : IKeySigner, IKeyLoader, IDisposable
{
    /// <summary>Most keys.</summary>
    internal const int MaxKeys = 1024;

    private readonly ConcurrentDictionary<KeyId, Held> _keys = new();

    /// <summary>How many keys there are.</summary>
    internal int Count => _keys.Count;

    /// <summary>
    /// Takes the key in <paramref name="keyFile"/>, which must belong to the first certificate in the PEM text. Answers
    /// its id; null with the reason when that fails.
    /// </summary>
    internal KeyId? Load(string certificates, SafeFileHandle keyFile, out string? problem)
    {
        try
        {
            using X509Certificate2 leaf = X509Certificate2.CreateFromPem(certificates);
            return PrivateKeyFile.Read(keyFile, leaf, out problem) is { } key ? Add(leaf, key, out problem) : null;
        }
        catch (CryptographicException error)
        {
            problem = $"the certificate cannot be used: {error.Message}";
            return null;
        }
    }

    /// <summary>Drops a key; signatures under way are made.</summary>
    internal bool Forget(KeyId id)
    {
        if (!_keys.TryRemove(id, out Held? held)) return false;
        held.Key.Dispose();
        return true;
    }

    /// <inheritdoc/>
    public int Sign(KeyId key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature, out string? problem)
    {
        if (!_keys.TryGetValue(key, out Held? held)) problem = "no such key";
        else if (operation == KeyOperation.Ecdsa == held.Key.IsRsa || !SignatureInput.IsAllowed(operation, input, held.Bits)) problem = "not a signature of TLS";
        else if (held.Key.Sign(operation, input, signature) is > 0 and var length)
        {
            problem = null;
            return length;
        }
        else problem = "OpenSSL made no signature";
        return 0;
    }

    Task<KeyLoad> IKeyLoader.LoadAsync(string certificates, SafeFileHandle keyFile, CancellationToken cancellation) =>
        Task.FromResult(Load(certificates, keyFile, out string? problem) is { } id ? new KeyLoad(id, null) : new KeyLoad(null, Fault.Permanent("TLS not available", problem, 7)));

    Task<Fault?> IKeyLoader.ForgetAsync(KeyId key, CancellationToken cancellation) =>
        Task.FromResult(Forget(key) ? null : Fault.Permanent("TLS not available", "no such key", 7));

    /// <summary>Wipes all keys.</summary>
    public void Dispose()
    {
        foreach (KeyId id in _keys.Keys) Forget(id);
    }

    private KeyId? Add(X509Certificate2 leaf, PrivateKey key, out string? problem)
    {
        problem = null;
        KeyId id = KeyId.Of(leaf);
        using RSA? rsa = leaf.GetRSAPublicKey();
        if (_keys.Count < MaxKeys || _keys.ContainsKey(id))
        {
            // One that is there already is the same key: a signature under way must not lose it.
            if (!_keys.TryAdd(id, new(key, rsa?.KeySize ?? 0))) key.Dispose();
            return id;
        }
        key.Dispose();
        problem = $"there are more than {MaxKeys} keys";
        return null;
    }

    private sealed record Held(PrivateKey Key, int Bits);
}
