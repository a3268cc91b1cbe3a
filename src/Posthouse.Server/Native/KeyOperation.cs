namespace Posthouse.Server.Native;

/// <summary>What a private key is to do. There is no decryption: with it, whoever may ask for signatures could read old recordings of sessions.</summary>
internal enum KeyOperation : byte
{
    /// <summary>ECDSA over a digest.</summary>
    Ecdsa = 1,

    /// <summary>RSA over a DigestInfo (RFC 8017 9.2), which is padded by PKCS#1 1.5.</summary>
    RsaPkcs1 = 2,

    /// <summary>RSA over a block as long as the modulus that is padded already.</summary>
    RsaPadded = 3,
}
