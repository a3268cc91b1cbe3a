using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>SslStream always offers PSS; what older clients offer has to be written by hand.</summary>
public sealed class Pkcs1HandshakeTests
{
    [Theory]
    [InlineData(0x0401, "SHA256")]
    [InlineData(0x0501, "SHA384")]
    [InlineData(0x0601, "SHA512")]
    public async Task A_client_of_tls_1_2_that_knows_no_pss_gets_a_pkcs1_signature(ushort scheme, string digest)
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair pair = TestKeyPair.Make("RSA-2048");
        await rig.LoadAsync(pair);
        await using SocketPair sockets = await rig.PairAsync();
        Task<Fault?> upgrading = sockets.Server.UpgradeToTlsAsync(rig.Server(), KeysRig.Patience).AsTask();
        byte[] clientRandom = RandomNumberGenerator.GetBytes(32);
        await sockets.Client.SendAsync(Hello(clientRandom, scheme));

        byte[]? serverRandom = null;
        await using NetworkStream stream = new(sockets.Client);
        List<byte> pending = [];
        while (true)
        {
            // Handshake messages: type, length (3 bytes), body; records cut them anywhere.
            while (pending.Count < 4 || pending.Count < 4 + Length(pending))
            {
                byte[] header = new byte[5];
                await stream.ReadExactlyAsync(header, TestContext.Current.CancellationToken);
                Assert.Equal(22, header[0]);
                byte[] record = new byte[BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(3))];
                await stream.ReadExactlyAsync(record, TestContext.Current.CancellationToken);
                pending.AddRange(record);
            }
            byte[] message = [.. pending.Take(4 + Length(pending))];
            pending.RemoveRange(0, message.Length);
            byte[] body = message[4..];
            if (message[0] == 2) serverRandom = body[2..34];
            if (message[0] != 12) continue;

            // RFC 8422 5.4: curve type, curve, point; then scheme and signature over both randoms and these.
            int parameters = 4 + body[3];
            Assert.Equal(scheme, BinaryPrimitives.ReadUInt16BigEndian(body.AsSpan(parameters)));
            byte[] signed = [.. clientRandom, .. serverRandom!, .. body[..parameters]];
            using RSA key = pair.Certificate.GetRSAPublicKey()!;
            Assert.True(key.VerifyData(signed, body[(parameters + 4)..], new HashAlgorithmName(digest), RSASignaturePadding.Pkcs1));
            break;
        }
        Assert.Equal(1, rig.Signer.Signatures);
        sockets.Client.Close();
        Assert.NotNull(await upgrading);
    }

    private static int Length(List<byte> message) => (message[1] << 16) | (message[2] << 8) | message[3];

    /// <summary>ECDHE-RSA-AES128-GCM-SHA256 on X25519 or P-256, and one signature scheme.</summary>
    private static byte[] Hello(byte[] random, ushort scheme)
    {
        byte[] extensions =
        [
            0, 10, 0, 6, 0, 4, 0, 29, 0, 23,
            0, 11, 0, 2, 1, 0,
            0, 13, 0, 4, 0, 2, (byte)(scheme >> 8), (byte)scheme,
            0, 23, 0, 0,
        ];
        byte[] body = [3, 3, .. random, 0, 0, 2, 0xc0, 0x2f, 1, 0, 0, (byte)extensions.Length, .. extensions];
        byte[] message = [1, 0, 0, (byte)body.Length, .. body];
        return [22, 3, 1, 0, (byte)message.Length, .. message];
    }
}
