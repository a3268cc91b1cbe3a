using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Posthouse.Server.Native;

/// <summary>A private key in OpenSSL's form, which signs on any number of threads. It is wiped when it has been disposed and nobody signs any more.</summary>
internal sealed unsafe class PrivateKey : SafeHandle
{
    private const int Pkcs1Padding = 1;
    private const int NoPadding = 3;

    private PrivateKey(nint key, bool isRsa, int size)
        : base(0, ownsHandle: true)
    {
        SetHandle(key);
        IsRsa = isRsa;
        Size = size;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Whether it is RSA, else ECDSA.</summary>
    internal bool IsRsa { get; }

    /// <summary>Longest signature in bytes; of RSA, the length of the modulus and of every signature.</summary>
    internal int Size { get; }

    /// <summary>Shares the key of <paramref name="key"/>, which may be disposed.</summary>
    internal static PrivateKey Of(RSAOpenSsl key)
    {
        using SafeEvpPKeyHandle holder = key.DuplicateKeyHandle();
        nint raw = Libcrypto.EVP_PKEY_get1_RSA(holder.DangerousGetHandle());
        return raw == 0 ? throw Refused() : new(raw, true, Libcrypto.RSA_size(raw));
    }

    /// <summary>Shares the key of <paramref name="key"/>, which may be disposed.</summary>
    internal static PrivateKey Of(ECDsaOpenSsl key)
    {
        using SafeEvpPKeyHandle holder = key.DuplicateKeyHandle();
        nint raw = Libcrypto.EVP_PKEY_get1_EC_KEY(holder.DangerousGetHandle());
        return raw == 0 ? throw Refused() : new(raw, false, Libcrypto.ECDSA_size(raw));
    }

    /// <summary>Writes the signature into <paramref name="signature"/>, which is <see cref="Size"/> long at least; its length, or 0 when OpenSSL refuses or the key is disposed.</summary>
    internal int Sign(KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature)
    {
        if (signature.Length < Size || operation == KeyOperation.Ecdsa == IsRsa) return 0;
        bool entered = false;
        try
        {
            DangerousAddRef(ref entered);
            fixed (byte* from = input, to = signature)
            {
                uint length = 0;
                if (!IsRsa) length = Libcrypto.ECDSA_sign(0, from, input.Length, to, &length, handle) == 1 ? length : 0;
                else length = (uint)Math.Max(0, Libcrypto.RSA_private_encrypt(input.Length, from, to, handle, operation == KeyOperation.RsaPadded ? NoPadding : Pkcs1Padding));
                if (length == 0) Libcrypto.ERR_clear_error();
                return (int)length;
            }
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
        finally
        {
            if (entered) DangerousRelease();
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (IsRsa) Libcrypto.RSA_free(handle);
        else Libcrypto.EC_KEY_free(handle);
        return true;
    }

    private static CryptographicException Refused()
    {
        Libcrypto.ERR_clear_error();
        return new CryptographicException("OpenSSL does not give the key away");
    }
}
