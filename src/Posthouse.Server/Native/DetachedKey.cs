using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Posthouse.Server.Native;

// OpenSSL lets every RSA and EC_KEY have a method of its own. Ours knows the holder of the private half by the
// address of the key, in a table: an entry is made before anybody can sign, and taken out by the method's finish
// function when the last reference is gone, which OpenSSL and .NET count between them. So a key lives exactly as long
// as a handshake, a session or a certificate has it. A copy that OpenSSL might make is not in the table, and cannot sign.

/// <summary>Makes keys for OpenSSL that have the public half alone, and an <see cref="IKeyHolder"/> that signs.</summary>
internal static unsafe class DetachedKey
{
    private const int RsaType = 6;
    private const int EcType = 408;
    private const int ExternalKey = 0x20;
    private const int Pkcs1Padding = 1;
    private const int NoPadding = 3;

    private static readonly ConcurrentDictionary<nint, IKeyHolder> s_holders = new();
    private static readonly Lazy<nint> s_rsaMethod = new(MakeRsaMethod);
    private static readonly Lazy<nint> s_ecMethod = new(MakeEcMethod);
    private static delegate* unmanaged<nint, int> s_rsaFinish;

    /// <summary>How many there are now.</summary>
    internal static int Count => s_holders.Count;

    /// <summary>A key with the public half of <paramref name="publicKey"/>; throws <see cref="CryptographicException"/> when OpenSSL refuses it.</summary>
    internal static SafeEvpPKeyHandle Make(RSAParameters publicKey, IKeyHolder holder)
    {
        nint key = Libcrypto.RSA_new();
        nint modulus = Number(publicKey.Modulus!), exponent = Number(publicKey.Exponent!);
        if (Libcrypto.RSA_set0_key(key, modulus, exponent, 0) != 1)
        {
            Libcrypto.BN_free(modulus);
            Libcrypto.BN_free(exponent);
            Libcrypto.RSA_free(key);
            throw Refused();
        }
        if (Libcrypto.RSA_set_method(key, s_rsaMethod.Value) == 1)
        {
            s_holders[key] = holder;
            if (Wrap(RsaType, key) is { } wrapped) return wrapped;
        }
        Libcrypto.RSA_free(key);
        throw Refused();
    }

    /// <summary>As the other, on one of the curves P-256, P-384 and P-521.</summary>
    internal static SafeEvpPKeyHandle Make(ECParameters publicKey, IKeyHolder holder)
    {
        // By length, as the names of curves vary.
        int curve = publicKey.Q.X!.Length switch
        {
            32 => 415,
            48 => 715,
            66 => 716,
            _ => throw Refused(),
        };
        nint key = Libcrypto.EC_KEY_new_by_curve_name(curve);
        nint x = Number(publicKey.Q.X), y = Number(publicKey.Q.Y!);
        bool isOnCurve = Libcrypto.EC_KEY_set_public_key_affine_coordinates(key, x, y) == 1;
        Libcrypto.BN_free(x);
        Libcrypto.BN_free(y);
        if (isOnCurve && Libcrypto.EC_KEY_set_method(key, s_ecMethod.Value) == 1)
        {
            s_holders[key] = holder;
            if (Wrap(EcType, key) is { } wrapped) return wrapped;
        }
        Libcrypto.EC_KEY_free(key);
        throw Refused();
    }

    private static CryptographicException Refused()
    {
        Libcrypto.ERR_clear_error();
        return new CryptographicException("the public key is not one that can be used");
    }

    private static nint Number(byte[] bytes)
    {
        fixed (byte* start = bytes) return Libcrypto.BN_bin2bn(start, bytes.Length, 0);
    }

    private static SafeEvpPKeyHandle? Wrap(int type, nint key)
    {
        nint holder = Libcrypto.EVP_PKEY_new();
        if (Libcrypto.EVP_PKEY_assign(holder, type, key) == 1) return new SafeEvpPKeyHandle(holder, ownsHandle: true);
        Libcrypto.EVP_PKEY_free(holder);
        return null;
    }

    private static nint MakeRsaMethod()
    {
        nint method = Libcrypto.RSA_meth_dup(Libcrypto.RSA_get_default_method());
        s_rsaFinish = Libcrypto.RSA_meth_get_finish(method);
        Libcrypto.RSA_meth_set_flags(method, Libcrypto.RSA_meth_get_flags(method) | ExternalKey);
        Libcrypto.RSA_meth_set_priv_enc(method, &SignRsa);
        Libcrypto.RSA_meth_set_priv_dec(method, &RefuseRsa);
        Libcrypto.RSA_meth_set_finish(method, &FinishRsa);
        return method;
    }

    private static nint MakeEcMethod()
    {
        nint method = Libcrypto.EC_KEY_METHOD_new(Libcrypto.EC_KEY_OpenSSL());
        nint init, finish, copy, setGroup, setPrivate, setPublic, sign, setup, signPair;
        Libcrypto.EC_KEY_METHOD_get_init(method, &init, &finish, &copy, &setGroup, &setPrivate, &setPublic);
        Libcrypto.EC_KEY_METHOD_set_init(method, init, &FinishEc, copy, setGroup, setPrivate, setPublic);
        Libcrypto.EC_KEY_METHOD_get_sign(method, &sign, &setup, &signPair);
        Libcrypto.EC_KEY_METHOD_set_sign(method, &SignEc, setup, signPair);
        return method;
    }

    private static int Sign(nint key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature)
    {
        try
        {
            return s_holders.TryGetValue(key, out IKeyHolder? holder) ? holder.Sign(operation, input, signature) : 0;
        }
        catch (Exception)
        {
            // Nothing may be thrown through OpenSSL; the handshake fails, which is logged where it ends.
            return 0;
        }
    }

    [UnmanagedCallersOnly]
    private static int SignRsa(int length, byte* from, byte* to, nint key, int padding)
    {
        if (length <= 0 || padding is not (Pkcs1Padding or NoPadding)) return -1;
        KeyOperation operation = padding == NoPadding ? KeyOperation.RsaPadded : KeyOperation.RsaPkcs1;
        int size = Libcrypto.RSA_size(key);
        return Sign(key, operation, new(from, length), new(to, size)) == size ? size : -1;
    }

    [UnmanagedCallersOnly]
    private static int RefuseRsa(int length, byte* from, byte* to, nint key, int padding) => -1;

    [UnmanagedCallersOnly]
    private static int SignEc(int type, byte* digest, int length, byte* signature, uint* signatureLength, nint inverse, nint r, nint key)
    {
        if (length <= 0) return 0;
        int written = Sign(key, KeyOperation.Ecdsa, new(digest, length), new(signature, Libcrypto.ECDSA_size(key)));
        *signatureLength = (uint)Math.Max(0, written);
        return written > 0 ? 1 : 0;
    }

    [UnmanagedCallersOnly]
    private static int FinishRsa(nint key)
    {
        s_holders.TryRemove(key, out _);
        return s_rsaFinish == null ? 1 : s_rsaFinish(key);
    }

    [UnmanagedCallersOnly]
    private static void FinishEc(nint key) => s_holders.TryRemove(key, out _);
}
