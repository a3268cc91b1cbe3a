using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

/// <summary>Reads a private key from a PEM file and makes sure that it is a certificate's. What was read is wiped.</summary>
internal static class PrivateKeyFile
{
    /// <summary>Longest file in bytes.</summary>
    internal const int MaxSize = 64 << 10;

    /// <summary>The key for <paramref name="certificate"/> in <paramref name="file"/>; null with the reason when there is none that fits.</summary>
    internal static PrivateKey? Read(SafeFileHandle file, X509Certificate2 certificate, out string? problem)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(MaxSize + 1, pinned: true);
        char[] text = GC.AllocateUninitializedArray<char>(MaxSize + 1, pinned: true);
        try
        {
            int length = 0;
            while (length < bytes.Length && RandomAccess.Read(file, bytes.AsSpan(length), length) is > 0 and var got) length += got;
            if (length > MaxSize)
            {
                problem = $"the key file is longer than {MaxSize} bytes";
                return null;
            }
            return Parse(text.AsSpan(0, Encoding.Latin1.GetChars(bytes.AsSpan(0, length), text)), certificate, out problem);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            problem = $"cannot read the key file: {error.Message}";
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            text.AsSpan().Clear();
        }
    }

    /// <summary>As <see cref="Read"/>, from text that the caller wipes.</summary>
    internal static PrivateKey? Parse(ReadOnlySpan<char> text, X509Certificate2 certificate, out string? problem)
    {
        ReadOnlySpan<char> rest = text;
        while (PemEncoding.TryFind(rest, out PemFields fields))
        {
            ReadOnlySpan<char> label = rest[fields.Label];
            if (label is "ENCRYPTED PRIVATE KEY") break;
            if (label is "PRIVATE KEY" or "RSA PRIVATE KEY" or "EC PRIVATE KEY") return Import(rest[fields.Location], certificate, out problem);
            rest = rest[fields.Location.End..];
        }
        problem = text.Contains("ENCRYPTED", StringComparison.Ordinal)
            ? "the key is encrypted: expected one without a passphrase (openssl pkey -in FILE -out FILE writes one)"
            : "there is no private key in the key file: expected a PEM block PRIVATE KEY";
        return null;
    }

    private static PrivateKey? Import(ReadOnlySpan<char> block, X509Certificate2 certificate, out string? problem)
    {
        problem = null;
        try
        {
            bool belongs;
            PrivateKey result;
            ReadOnlySpan<byte> probe = SHA256.HashData("posthouse"u8);
            using RSA? rsa = certificate.GetRSAPublicKey();
            using ECDsa? ec = certificate.GetECDsaPublicKey();
            if (rsa is not null)
            {
                if (rsa.KeySize is < 2048 or > SignatureInput.MaxSize * 8)
                {
                    problem = $"an RSA key of {rsa.KeySize} bits is not supported: expected 2048 to {SignatureInput.MaxSize * 8}";
                    return null;
                }
                using RSAOpenSsl key = new();
                key.ImportFromPem(block);
                belongs = rsa.VerifyHash(probe, key.SignHash(probe, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
                result = PrivateKey.Of(key);
            }
            else if (ec is not null)
            {
                using ECDsaOpenSsl key = new();
                key.ImportFromPem(block);
                belongs = ec.VerifyHash(probe, key.SignHash(probe));
                result = PrivateKey.Of(key);
            }
            else
            {
                problem = $"the certificate's key is of a kind ({certificate.PublicKey.Oid.FriendlyName ?? certificate.PublicKey.Oid.Value}) that is not supported: expected RSA or ECDSA";
                return null;
            }
            if (belongs) return result;
            result.Dispose();
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            problem = $"the key cannot be used with this certificate: {error.Message}";
            return null;
        }
        problem = "key and certificate do not belong together";
        return null;
    }
}
