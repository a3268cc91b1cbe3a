namespace Posthouse.Server.Configuration;

/// <summary>Whether finite-field ephemeral Diffie-Hellman is used with a certificate.</summary>
public enum PkiDhe
{
    /// <summary>No.</summary>
    None,
    /// <summary>With parameters that suit the certificate's key.</summary>
    Auto,
    /// <summary>With 1024 bits.</summary>
    Legacy,
}
