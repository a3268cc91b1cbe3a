using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Transport.Keys;

// It holds private keys and does nothing but sign. The parent gives it keys (as open files: it opens nothing
// itself) and sockets; the engine has the other ends of those. It has no network, no files and no log: what fails is the answer to whoever asked.

/// <summary>The keys process: <c>--role=child</c> with the word <see cref="Role"/>.</summary>
public static class KeysProcess
{
    /// <summary>The role's word.</summary>
    public const string Role = "keys";

    /// <summary>Longest certificate file in bytes.</summary>
    internal const int MaxCertificates = 60 << 10;

    /// <summary>Most sockets given in one message.</summary>
    internal const int MaxSocketsGiven = PacketSocket.MaxDescriptors;

    private const int MaxSockets = 256;
    private const int NotDumpable = 4;

    /// <summary>Serves the parent at the other end of a descriptor (<see cref="Channel"/>) until it ends; answers the exit code.</summary>
    public static int Serve(int controlDescriptor)
    {
        // Neither a core file nor another process of the same user may see the keys.
        Libc.prctl(NotDumpable, 0, 0, 0, 0);
        using KeyTable keys = new();
        ServeAsync(controlDescriptor, keys).GetAwaiter().GetResult();
        return 0;
    }

    /// <summary>
    /// Loads everything that serving needs, by serving two throwaway keys in this process, because afterwards there may
    /// be no file system to load it from. Null, or what does not work.
    /// </summary>
    public static string? WarmUp()
    {
        using KeyTable keys = new();
        using SigningSockets signer = new(TimeProvider.System, NullLogger.Instance);
        if (PacketSocket.Pair(out int ours, out int theirs) != 0 || PacketSocket.Pair(out int asking, out int served) != 0) return "no sockets";
        Task serving = ServeAsync(theirs, keys);
        using Channel channel = new(ours, Role, static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance);
        KeysClient client = new(channel);
        signer.Replace([asking]);
        using (SafeFileHandle given = new(served, ownsHandle: true))
            if (client.GiveSocketsAsync([given]).GetAwaiter().GetResult() is { } fault) return fault.Detail;

        using RSA rsa = RSA.Create(2048);
        string? problem = Try(new CertificateRequest("CN=rsa", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), rsa, client, signer);
        using ECDsa ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        problem ??= Try(new CertificateRequest("CN=ec", ec, HashAlgorithmName.SHA256), ec, client, signer);
        channel.Dispose();
        serving.GetAwaiter().GetResult();
        return problem;
    }

    /// <summary>As <see cref="Serve(int)"/>, with keys that are the caller's.</summary>
    internal static async Task ServeAsync(int controlDescriptor, KeyTable keys)
    {
        Service service = new(keys);
        using Channel channel = new(controlDescriptor, "parent", service.AnswerAsync, NullLogger.Instance);
        await channel.Ended;
    }

    private static string? Try(CertificateRequest request, AsymmetricAlgorithm key, KeysClient client, SigningSockets signer)
    {
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(1));
        using SafeFileHandle file = MemoryFile.Create("key", Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
        KeyLoad load = client.LoadAsync(certificate.ExportCertificatePem(), file).GetAwaiter().GetResult();
        if (load.Id is not { } id) return load.Fault!.Detail;
        KeyOperation operation = key is RSA ? KeyOperation.RsaPkcs1 : KeyOperation.Ecdsa;
        ReadOnlySpan<byte> input = key is RSA ? SignatureInput.Sha256Info(new byte[32]) : new byte[32];
        signer.Sign(id, operation, input, new byte[SignatureInput.MaxSize], out string? problem);
        return problem ?? client.ForgetAsync(id).GetAwaiter().GetResult()?.Detail;
    }

    private sealed class Service(KeyTable keys)
    {
        private int _sockets;

        internal ValueTask<ChannelAnswer> AnswerAsync(ChannelRequest request, CancellationToken cancellation) => new(request.Kind switch
        {
            MessageKind.LoadKey => Load(request),
            MessageKind.ServeSockets => ServeSockets(request),
            MessageKind.ForgetKey => Forget(request),
            MessageKind.Ping => KeysAnswer.Done(),
            _ => KeysAnswer.Problem("no such request"),
        });

        private ChannelAnswer Load(ChannelRequest request)
        {
            PayloadReader reader = new(request.Payload.Span);
            string certificates = reader.Lines(MaxCertificates);
            if (!reader.IsWhole || request.DescriptorCount != 1) return KeysAnswer.Problem("malformed");
            using SafeFileHandle file = new(request.TakeDescriptor(0), ownsHandle: true);
            return keys.Load(certificates, file, out string? problem) is { } id ? KeysAnswer.Done(id) : KeysAnswer.Problem(problem!);
        }

        private ChannelAnswer ServeSockets(ChannelRequest request)
        {
            int count = request.DescriptorCount;
            if (Interlocked.Add(ref _sockets, count) > MaxSockets)
            {
                Interlocked.Add(ref _sockets, -count);
                return KeysAnswer.Problem("too many sockets");
            }
            for (int i = 0; i < count; i++)
                SigningServer.Start(new PacketSocket(request.TakeDescriptor(i)), keys, () => Interlocked.Decrement(ref _sockets));
            return KeysAnswer.Done();
        }

        private ChannelAnswer Forget(ChannelRequest request)
        {
            if (request.Payload.Length != KeyId.Size) return KeysAnswer.Problem("malformed");
            return keys.Forget(KeyId.Read(request.Payload.Span)) ? KeysAnswer.Done() : KeysAnswer.Problem("no such key");
        }
    }
}
