using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Security;

namespace Posthouse.DkimSign;

/// <summary>A private key under the selector by which its public half is found.</summary>
internal sealed partial record SigningKey
{
    private readonly ConcurrentBag<RSA> _idle = [];
    private readonly string _pem;
    private readonly Ed25519PrivateKeyParameters? _ed25519;

    private SigningKey(string selector, string pem, Ed25519PrivateKeyParameters? ed25519) => (Selector, _pem, _ed25519) = (selector, pem, ed25519);

    public string Selector { get; init; }

    public string Algorithm => _ed25519 is null ? "rsa-sha256" : "ed25519-sha256";

    /// <summary>Reads a key in PEM form: RSA of at least 1024 bits (PKCS #1 or #8) or Ed25519 (PKCS #8).</summary>
    /// <exception cref="InvalidDataException">It is none, or others may read it.</exception>
    public static SigningKey Load(string path, string selector)
    {
        using FileStream stream = File.OpenRead(path);
        CheckMode(stream.SafeFileHandle, path);
        string pem = new StreamReader(stream).ReadToEnd();
        try
        {
            PemFields fields = PemEncoding.Find(pem);
            if (pem.AsSpan()[fields.Label] is "PRIVATE KEY" && PrivateKeyFactory.CreateKey(Convert.FromBase64String(pem[fields.Base64Data])) is Ed25519PrivateKeyParameters ed25519)
                return new(selector, "", ed25519);
            SigningKey key = new(selector, pem, null);
            RSA rsa = key.Rent();
            if (rsa.KeySize < 1024) throw new InvalidDataException($"{path}: an RSA key of {rsa.KeySize} bits is too short");
            key._idle.Add(rsa);
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException or IOException or SecurityUtilityException)
        {
            throw new InvalidDataException($"{path}: no RSA or Ed25519 private key in PEM form: {e.Message}", e);
        }
    }

    /// <summary>Signs the SHA-256 of canonical header fields. May be called from any thread.</summary>
    public byte[] Sign(byte[] hash)
    {
        if (_ed25519 is not null)
        {
            Ed25519Signer signer = new();
            signer.Init(true, _ed25519);
            signer.BlockUpdate(hash, 0, hash.Length);
            return signer.GenerateSignature();
        }

        // One instance belongs to one thread at a time.
        RSA rsa = Rent();
        try
        {
            return rsa.SignHash(hash, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        }
        finally
        {
            _idle.Add(rsa);
        }
    }

    private RSA Rent()
    {
        if (_idle.TryTake(out RSA? rsa)) return rsa;
        rsa = RSA.Create();
        rsa.ImportFromPem(_pem);
        return rsa;
    }

    // As sshd does with its keys; but a key that root owns may be read by one group, the filter's.
    private static unsafe void CheckMode(SafeFileHandle file, string path)
    {
        const int EmptyPath = 0x1000, Uid = 8;
        byte* status = stackalloc byte[256];
        if (FileStatus((int)file.DangerousGetHandle(), "", EmptyPath, Uid, status) != 0) throw new IOException($"{path}: its owner is not to be found");
        bool isRoots = *(uint*)(status + 20) == 0;
        UnixFileMode mode = File.GetUnixFileMode(file);
        UnixFileMode forbidden = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;
        if (!isRoots) forbidden |= UnixFileMode.GroupRead;
        if ((mode & forbidden) != 0)
            throw new InvalidDataException($"{path}: others may read or change it; mode 0600 of the filter's user, or 0640 of root and the filter's group");
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int FileStatus(int directory, string path, int flags, uint mask, byte* status);
}
