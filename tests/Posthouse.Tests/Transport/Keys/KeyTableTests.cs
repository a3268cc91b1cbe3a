using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Tests.Transport.Keys;

public sealed class KeyTableTests : IDisposable
{
    private static readonly Lazy<TestKeyPair> s_rsa = new(static () => TestKeyPair.Make("RSA-2048"));
    private static readonly Lazy<TestKeyPair> s_ec = new(static () => TestKeyPair.Make("P-384"));

    private readonly KeyTable _keys = new();

    public void Dispose() => _keys.Dispose();

    [Fact]
    public void Keys_are_read_in_every_form_that_openssl_writes_without_a_passphrase()
    {
        using RSA rsa = RSA.Create();
        rsa.ImportFromPem(s_rsa.Value.KeyPem);
        using ECDsa ec = ECDsa.Create();
        ec.ImportFromPem(s_ec.Value.KeyPem);
        const string Parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n";
        Assert.Null(Problem(s_rsa.Value, s_rsa.Value.KeyPem));
        Assert.Null(Problem(s_rsa.Value, rsa.ExportRSAPrivateKeyPem()));
        Assert.Null(Problem(s_rsa.Value, "Bag Attributes\r\n" + s_rsa.Value.CertificatePem + "\r\n" + s_rsa.Value.KeyPem.Replace("\n", "\r\n")));
        Assert.Null(Problem(s_ec.Value, s_ec.Value.KeyPem));
        Assert.Null(Problem(s_ec.Value, Parameters + ec.ExportECPrivateKeyPem()));
        Assert.Equal(2, _keys.Count);
    }

    [Fact]
    public void What_cannot_be_used_is_refused_with_the_reason()
    {
        using RSA rsa = RSA.Create();
        rsa.ImportFromPem(s_rsa.Value.KeyPem);
        PbeParameters encryption = new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000);
        Assert.Contains("encrypted", Problem(s_rsa.Value, rsa.ExportEncryptedPkcs8PrivateKeyPem("secret", encryption)));
        Assert.Contains("encrypted", Problem(s_rsa.Value, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"));
        Assert.Contains("no private key", Problem(s_rsa.Value, ""));
        Assert.Contains("no private key", Problem(s_rsa.Value, s_rsa.Value.CertificatePem));
        Assert.Contains("no private key", Problem(s_rsa.Value, rsa.ExportSubjectPublicKeyInfoPem()));
        Assert.Contains("key cannot be used", Problem(s_rsa.Value, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
        Assert.Contains("key cannot be used", Problem(s_rsa.Value, s_ec.Value.KeyPem));
        Assert.Equal("key and certificate do not belong together", Problem(s_ec.Value, TestKeyPair.Make("P-384").KeyPem));
        Assert.Equal("key and certificate do not belong together", Problem(s_ec.Value, TestKeyPair.Make("P-256").KeyPem));
        Assert.Contains("longer than", Problem(s_rsa.Value, new string(' ', PrivateKeyFile.MaxSize) + s_rsa.Value.KeyPem));
        Assert.Contains("certificate cannot be used", Problem(s_rsa.Value with { CertificatePem = "nothing" }, s_rsa.Value.KeyPem));
        Assert.Contains("expected 2048", Problem(Small(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
        Assert.Equal(0, _keys.Count);

        static TestKeyPair Small()
        {
            using RSA small = RSA.Create(1024);
            CertificateRequest request = new("CN=small", small, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
            return new(s_rsa.Value.Certificate, made.ExportCertificatePem(), "");
        }
    }

    [Fact]
    public void Any_bytes_as_a_key_file_are_refused_and_nothing_is_thrown()
    {
        Random random = new(1);
        byte[] good = Encoding.ASCII.GetBytes(s_ec.Value.KeyPem);
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = [.. good];
            for (int changes = random.Next(1, 30); changes > 0; changes--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            using SafeFileHandle file = MemoryFile.Create("key", bytes);
            // A change may hit what does not matter; then it is the key.
            if (_keys.Load(s_ec.Value.CertificatePem, file, out string? problem) is null) Assert.NotNull(problem);
        }
    }

    [Fact]
    public async Task A_key_is_forgotten_while_it_signs()
    {
        byte[] info = SignatureInput.Sha256Info(new byte[32]);
        using SafeFileHandle file = KeysRig.KeyFile(s_rsa.Value.KeyPem);
        KeyId id = _keys.Load(s_rsa.Value.CertificatePem, file, out _)!.Value;
        using CancellationTokenSource stop = new();
        long signed = 0;
        Task[] signing = [.. Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(() =>
        {
            byte[] signature = new byte[SignatureInput.MaxSize];
            while (!stop.IsCancellationRequested)
                if (_keys.Sign(id, KeyOperation.RsaPkcs1, info, signature, out string? _) == 256) Interlocked.Increment(ref signed);
        }, TaskCreationOptions.LongRunning))];
        for (int i = 0; i < 50; i++)
        {
            _keys.Forget(id);
            Assert.NotNull(_keys.Load(s_rsa.Value.CertificatePem, file, out _));
        }
        await stop.CancelAsync();
        await Task.WhenAll(signing).WaitAsync(KeysRig.Patience);
        Assert.Equal(256, _keys.Sign(id, KeyOperation.RsaPkcs1, info, new byte[SignatureInput.MaxSize], out _));
    }

    private string? Problem(TestKeyPair pair, string key)
    {
        using SafeFileHandle file = KeysRig.KeyFile(key);
        KeyId? id = _keys.Load(pair.CertificatePem, file, out string? problem);
        Assert.Equal(problem is null, id is not null);
        return problem;
    }
}
