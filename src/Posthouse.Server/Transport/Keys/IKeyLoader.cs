using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;

namespace Posthouse.Server.Transport.Keys;

/// <summary>Takes private keys, and gives none away.</summary>
internal interface IKeyLoader
{
    /// <summary>Takes the key in an open file, which must belong to the first certificate in the PEM text. The file stays the caller's.</summary>
    Task<KeyLoad> LoadAsync(string certificates, SafeFileHandle keyFile, CancellationToken cancellation = default);

    /// <summary>Drops a key.</summary>
    Task<Fault?> ForgetAsync(KeyId key, CancellationToken cancellation = default);
}
