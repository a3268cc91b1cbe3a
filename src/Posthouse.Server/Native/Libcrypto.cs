using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>
/// The functions of OpenSSL's libcrypto that .NET does not show: keys whose private operations are done by somebody else (RSA_meth_new(3),
/// EC_KEY_METHOD_new(3)), and raw private operations. It is the library that the base library has loaded already.
/// </summary>
internal static unsafe partial class Libcrypto
{
    private const string Library = "libcrypto.so.3";

    // RSA keys
    [LibraryImport(Library)]
    internal static partial nint RSA_new();

    [LibraryImport(Library)]
    internal static partial void RSA_free(nint key);

    [LibraryImport(Library)]
    internal static partial int RSA_size(nint key);

    [LibraryImport(Library)]
    internal static partial int RSA_set0_key(nint key, nint modulus, nint exponent, nint secret);

    [LibraryImport(Library)]
    internal static partial int RSA_set_method(nint key, nint method);

    [LibraryImport(Library)]
    internal static partial int RSA_private_encrypt(int length, byte* from, byte* to, nint key, int padding);

    // Their methods
    [LibraryImport(Library)]
    internal static partial nint RSA_get_default_method();

    [LibraryImport(Library)]
    internal static partial nint RSA_meth_dup(nint method);

    [LibraryImport(Library)]
    internal static partial int RSA_meth_get_flags(nint method);

    [LibraryImport(Library)]
    internal static partial int RSA_meth_set_flags(nint method, int flags);

    [LibraryImport(Library)]
    internal static partial int RSA_meth_set_priv_enc(nint method, delegate* unmanaged<int, byte*, byte*, nint, int, int> function);

    [LibraryImport(Library)]
    internal static partial int RSA_meth_set_priv_dec(nint method, delegate* unmanaged<int, byte*, byte*, nint, int, int> function);

    [LibraryImport(Library)]
    internal static partial delegate* unmanaged<nint, int> RSA_meth_get_finish(nint method);

    [LibraryImport(Library)]
    internal static partial int RSA_meth_set_finish(nint method, delegate* unmanaged<nint, int> function);

    // Keys on elliptic curves
    [LibraryImport(Library)]
    internal static partial nint EC_KEY_new_by_curve_name(int curve);

    [LibraryImport(Library)]
    internal static partial void EC_KEY_free(nint key);

    [LibraryImport(Library)]
    internal static partial int EC_KEY_set_public_key_affine_coordinates(nint key, nint x, nint y);

    [LibraryImport(Library)]
    internal static partial int EC_KEY_set_method(nint key, nint method);

    [LibraryImport(Library)]
    internal static partial int ECDSA_size(nint key);

    [LibraryImport(Library)]
    internal static partial int ECDSA_sign(int type, byte* digest, int length, byte* signature, uint* signatureLength, nint key);

    // Their methods
    [LibraryImport(Library)]
    internal static partial nint EC_KEY_OpenSSL();

    [LibraryImport(Library)]
    internal static partial nint EC_KEY_METHOD_new(nint method);

    [LibraryImport(Library)]
    internal static partial void EC_KEY_METHOD_get_init(nint method, nint* init, nint* finish, nint* copy, nint* setGroup, nint* setPrivate, nint* setPublic);

    [LibraryImport(Library)]
    internal static partial void EC_KEY_METHOD_set_init(nint method, nint init, delegate* unmanaged<nint, void> finish, nint copy, nint setGroup, nint setPrivate, nint setPublic);

    [LibraryImport(Library)]
    internal static partial void EC_KEY_METHOD_get_sign(nint method, nint* sign, nint* setup, nint* signPair);

    [LibraryImport(Library)]
    internal static partial void EC_KEY_METHOD_set_sign(
        nint method, delegate* unmanaged<int, byte*, int, byte*, uint*, nint, nint, nint, int> sign, nint setup, nint signPair);

    // Either
    [LibraryImport(Library)]
    internal static partial nint EVP_PKEY_new();

    [LibraryImport(Library)]
    internal static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    internal static partial int EVP_PKEY_assign(nint holder, int type, nint key);

    [LibraryImport(Library)]
    internal static partial nint EVP_PKEY_get1_RSA(nint holder);

    [LibraryImport(Library)]
    internal static partial nint EVP_PKEY_get1_EC_KEY(nint holder);

    // Numbers and errors
    [LibraryImport(Library)]
    internal static partial nint BN_bin2bn(byte* bytes, int length, nint number);

    [LibraryImport(Library)]
    internal static partial void BN_free(nint number);

    [LibraryImport(Library)]
    internal static partial void ERR_clear_error();
}
