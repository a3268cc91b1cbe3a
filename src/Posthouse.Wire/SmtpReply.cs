using System.Globalization;

namespace Posthouse.Wire;

/// <summary>
/// A reply of SMTP or LMTP (RFC 5321 section 4.2): code 200 to 599, an enhanced code (RFC 2034) unless the reply has
/// none, and text without control bytes but for <c>\n</c> between the lines of a multi-line reply.
/// </summary>
public sealed record SmtpReply(int Code, EnhancedCode Enhanced, string Text)
{
    /// <summary>A reply without an enhanced code.</summary>
    public SmtpReply(int code, string text)
        : this(code, default, text)
    {
    }

    /// <summary>2yz or 3yz.</summary>
    public bool IsPositive => Code < 400;

    /// <summary>4yz.</summary>
    public bool IsTemporary => Code is >= 400 and < 500;

    /// <summary>5yz.</summary>
    public bool IsPermanent => Code >= 500;

    /// <summary>The reply in one line, as logs show it: <c>550 5.1.1 No such user</c>.</summary>
    public override string ToString() => Enhanced.IsNone
        ? string.Create(CultureInfo.InvariantCulture, $"{Code} {Text}")
        : string.Create(CultureInfo.InvariantCulture, $"{Code} {Enhanced} {Text}");
}
