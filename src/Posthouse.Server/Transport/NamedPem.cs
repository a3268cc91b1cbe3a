namespace Posthouse.Server.Transport;

/// <summary>PEM text by its name in the configuration (a <c>pki</c> or a <c>ca</c>): certificates, never a key.</summary>
public sealed record NamedPem(string Name, string Pem);
