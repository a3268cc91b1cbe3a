using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>What a key signs, and that it is nothing else.</summary>
public sealed class SignatureInputTests : IDisposable
{
    private static readonly Lazy<TestKeyPair> s_rsa = new(static () => TestKeyPair.Make("RSA-2048"));
    private static readonly Lazy<TestKeyPair> s_ec = new(static () => TestKeyPair.Make("P-256"));

    private readonly KeyTable _keys = new();
    private readonly byte[] _signature = new byte[SignatureInput.MaxSize];

    public void Dispose() => _keys.Dispose();

    [Theory]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    public void A_digest_is_signed_with_ecdsa(int length)
    {
        KeyId key = Load(s_ec.Value);
        byte[] digest = RandomNumberGenerator.GetBytes(length);
        int written = _keys.Sign(key, KeyOperation.Ecdsa, digest, _signature, out string? problem);
        Assert.Null(problem);
        using ECDsa known = ECDsa.Create();
        known.ImportSubjectPublicKeyInfo(s_ec.Value.Certificate.PublicKey.ExportSubjectPublicKeyInfo(), out _);
        Assert.True(known.VerifyHash(digest, _signature.AsSpan(0, written), DSASignatureFormat.Rfc3279DerSequence));
    }

    [Theory]
    [InlineData("SHA256")]
    [InlineData("SHA384")]
    [InlineData("SHA512")]
    public void A_padded_block_of_tls_is_signed_with_rsa(string name)
    {
        KeyId key = Load(s_rsa.Value);
        using RSA known = Known();
        HashAlgorithmName hash = new(name);
        byte[] digest = CryptographicOperations.HashData(hash, "text"u8);
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(256, _keys.Sign(key, KeyOperation.RsaPadded, Pss(hash, digest, 256, 0x7f), _signature, out _));
            Assert.True(known.VerifyHash(digest, _signature.AsSpan(0, 256), hash, RSASignaturePadding.Pss));
        }
    }

    [Theory]
    [InlineData(2048, 256, 0x7f, true)]
    [InlineData(2047, 256, 0x3f, true)]
    [InlineData(2042, 256, 0x01, true)]
    [InlineData(2041, 256, 0x00, true)]
    [InlineData(2040, 255, 0x7f, true)]
    [InlineData(2048, 255, 0x7f, false)]
    [InlineData(2048, 257, 0x7f, false)]
    public void Padding_fits_a_modulus_of_any_length(int bits, int length, byte top, bool isAllowed)
    {
        for (int i = 0; i < 20; i++)
        {
            byte[] digest = RandomNumberGenerator.GetBytes(32);
            // One bit less than the modulus is a whole number of bytes: a zero stands before them.
            byte[] block = top == 0 ? [0, .. Pss(HashAlgorithmName.SHA256, digest, length - 1, 0xff)] : Pss(HashAlgorithmName.SHA256, digest, length, top);
            Assert.Equal(isAllowed, SignatureInput.IsAllowed(KeyOperation.RsaPadded, block, bits));
        }
    }

    [Fact]
    public void A_block_that_is_not_padded_right_is_refused()
    {
        KeyId key = Load(s_rsa.Value);
        byte[] good = Pss(HashAlgorithmName.SHA256, new byte[32], 256, 0x7f);
        Assert.Equal(256, _keys.Sign(key, KeyOperation.RsaPadded, good, _signature, out _));
        foreach (int place in (int[])[0, 1, 100, 188, 224, 254, 255])
        {
            byte[] bad = [.. good];
            bad[place] ^= 1;
            Refused(key, KeyOperation.RsaPadded, bad);
        }
        // The salt may be anything.
        byte[] salted = [.. good];
        salted[200] ^= 1;
        Assert.Equal(256, _keys.Sign(key, KeyOperation.RsaPadded, salted, _signature, out _));

        byte[] random = RandomNumberGenerator.GetBytes(256);
        (random[0], random[^1]) = (0, 0xbc);
        Refused(key, KeyOperation.RsaPadded, random);
        // What a client sends that lets the server decrypt (RFC 5246 7.4.7.1), and the raw numbers that forgeries are made of.
        using RSA known = Known();
        Refused(key, KeyOperation.RsaPadded, known.Encrypt(new byte[48], RSAEncryptionPadding.Pkcs1));
        Refused(key, KeyOperation.RsaPadded, [.. new byte[255], 2]);
    }

    [Fact]
    public void Only_what_fits_the_kind_of_key_is_signed()
    {
        KeyId rsa = Load(s_rsa.Value), ec = Load(s_ec.Value);
        byte[] info = SignatureInput.Sha256Info(new byte[32]);
        Assert.Equal(256, _keys.Sign(rsa, KeyOperation.RsaPkcs1, info, _signature, out _));
        Refused(ec, KeyOperation.RsaPkcs1, info);
        Refused(ec, KeyOperation.RsaPadded, Pss(HashAlgorithmName.SHA256, new byte[32], 256, 0x7f));
        Refused(rsa, KeyOperation.Ecdsa, new byte[32]);
        Refused(rsa, KeyOperation.RsaPkcs1, new byte[51]);
        Refused(rsa, KeyOperation.RsaPkcs1, new byte[36]);
        Refused(rsa, KeyOperation.RsaPkcs1, [.. info, 0]);
        Refused(rsa, 0, info);
        Refused(rsa, (KeyOperation)255, info);
        foreach (int length in (int[])[1, 20, 31, 33, 47, 49, 63, 65, 1024])
            Refused(ec, KeyOperation.Ecdsa, new byte[length]);
        Assert.Equal(0, _keys.Sign(new KeyId(1, 2, 3, 4), KeyOperation.Ecdsa, new byte[32], _signature, out string? problem));
        Assert.Equal("no such key", problem);
    }

    private void Refused(KeyId key, KeyOperation operation, byte[] input)
    {
        Assert.Equal(0, _keys.Sign(key, operation, input, _signature, out string? problem));
        Assert.Equal("not a signature of TLS", problem);
    }

    private KeyId Load(TestKeyPair pair)
    {
        using SafeFileHandle file = KeysRig.KeyFile(pair.KeyPem);
        KeyId? id = _keys.Load(pair.CertificatePem, file, out string? problem);
        Assert.Null(problem);
        return id!.Value;
    }

    private static RSA Known()
    {
        RSA known = RSA.Create();
        known.ImportSubjectPublicKeyInfo(s_rsa.Value.Certificate.PublicKey.ExportSubjectPublicKeyInfo(), out _);
        return known;
    }

    /// <summary>EMSA-PSS (RFC 8017 9.1.1), the salt as long as the digest.</summary>
    private static byte[] Pss(HashAlgorithmName hash, byte[] digest, int length, byte top)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(digest.Length);
        byte[] seed = CryptographicOperations.HashData(hash, [.. new byte[8], .. digest, .. salt]);
        byte[] block = [.. new byte[length - (2 * digest.Length) - 2], 1, .. salt];
        for (int i = 0; i < block.Length; i++)
            block[i] ^= CryptographicOperations.HashData(hash, [.. seed, 0, 0, 0, (byte)(i / digest.Length)])[i % digest.Length];
        block[0] &= top;
        return [.. block, .. seed, 0xbc];
    }
}
