using Posthouse.Wire;

namespace Posthouse.Server.Model;

/// <summary>
/// A failure as a value: temporary or permanent, the status code and text that strangers may see, and a detail that
/// only the log sees. An unknown failure is temporary.
/// </summary>
public sealed record Fault(bool IsPermanent, EnhancedCode Status, string PublicText, string? Detail = null)
{
    /// <summary>A failure that may pass.</summary>
    public static Fault Temporary(string publicText, string? detail = null, ushort subject = 3, ushort code = 0) =>
        new(false, new EnhancedCode(4, subject, code), publicText, detail);

    /// <summary>A failure that stays.</summary>
    public static Fault Permanent(string publicText, string? detail = null, ushort subject = 0, ushort code = 0) =>
        new(true, new EnhancedCode(5, subject, code), publicText, detail);

    /// <summary>The reply that a client gets: 451 or 550 unless <paramref name="code"/> is given.</summary>
    public SmtpReply ToReply(int code = 0) => new(code != 0 ? code : IsPermanent ? 550 : 451, Status, PublicText);
}
